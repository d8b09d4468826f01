/** Prints docs/ERRORS.md from the error table. */
import { ERRORS } from '../src/core/errors.js'

const rows = Object.entries(ERRORS).map(
  ([code, { http, exit, means }]) => `| \`${code}\` | ${http} | ${exit} | ${means} |`,
)

process.stdout.write(`# Errors

Made from \`src/core/errors.ts\` by \`npm run generate\`. Every "no" of EdgeCoder has one of these codes: in REST
answers (\`error.code\`), on the wire (\`Refusal.code\`), in logs and in \`--json\` output. The message beside it says
what happened, why, and what to do next.

| code | HTTP | exit | means |
|---|---|---|---|
${rows.join('\n')}
`)

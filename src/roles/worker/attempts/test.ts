import { isRefusal } from '../../../core/refusal.js'
import type { TestPayload } from '../../../wire/generated/edgecoder/task/v1/payload_pb.js'
import {
  type AttemptComponents,
  type AttemptContext,
  type AttemptResult,
  noUsage,
  wireUsage,
} from './attempt.js'
import { runSuite, sandboxJob, wireReport } from './suite.js'

/**
 * Runs a test command on given files; no model.
 *
 * @throws EdgeCoderError `no-sandbox`, `sandbox-failed`, `cancelled`
 */
export async function runTest(
  components: AttemptComponents,
  context: AttemptContext,
  payload: TestPayload,
): Promise<AttemptResult> {
  const job = sandboxJob(payload.suite)
  if (isRefusal(job)) return job
  const usage = noUsage()
  const report = await runSuite(components, context, job, [], { stage: 'test', iteration: 0 }, usage)
  if (isRefusal(report)) return report
  return { body: { case: 'test', value: wireReport(report) }, usage: wireUsage(usage, '') }
}

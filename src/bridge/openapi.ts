import { z } from 'zod'
import { mount, type Surface } from './mount.js'
import { PLAIN } from './route.js'

const OPENAPI_ROUTE = {
  ...PLAIN,
  method: 'get',
  path: '/openapi.json',
  summary: 'This document.',
  needs: 'key',
  response: z.looseObject({ openapi: z.string() }).meta({ description: 'An OpenAPI 3.1 document.' }),
} as const

/** Serves the document of every route mounted on the app; to be mounted last. */
export function mountOpenApi(surface: Surface, version: string): void {
  surface.app.openAPIRegistry.registerComponent('securitySchemes', 'key', {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key: `edgecoder token create`. `x-scope` names the scope that a route needs.',
  })
  let document: ReturnType<typeof surface.app.getOpenAPI31Document> | undefined
  mount(surface, OPENAPI_ROUTE, () => {
    document ??= surface.app.getOpenAPI31Document({
      openapi: '3.1.0',
      info: {
        title: 'EdgeCoder gateway',
        version,
        license: { name: 'Apache-2.0 OR MIT' },
      },
    })
    return Response.json(document)
  })
}

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { FastifyInstance } from 'fastify';

// Swagger UI comes with @nestjs/swagger: found from there, whichever way it was installed.
const fromSwagger = createRequire(createRequire(import.meta.url).resolve('@nestjs/swagger'));

// All addresses are relative: a gateway may be published below a path.
const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Fanfare</title>
    <link rel="icon" href="data:," />
    <link rel="stylesheet" href="docs/swagger-ui.css" />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`;

const START = `SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
  tryItOutEnabled: true,
});
`;

/** The page loads nothing from elsewhere and may not. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'";

/**
 * Serves `/openapi.json` and, to read and try it, `/docs`.
 *
 * @param openApi draws the document, with the first request for it: a tenth of a start, and most processes are never asked.
 */
export function serveDocs(fastify: FastifyInstance, openApi: () => object): void {
  let document: string | undefined;
  fastify.get('/openapi.json', (_, reply) => {
    document ??= JSON.stringify(openApi());
    return reply.type('application/json; charset=utf-8').send(document);
  });
  fastify.get('/docs', (_, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', POLICY)
      .header('x-content-type-options', 'nosniff')
      .send(PAGE),
  );
  // Relative like everything here, and as the page's own addresses need it.
  fastify.get('/docs/', (_, reply) => reply.redirect('../docs', 308));
  fastify.get('/docs/start.js', (_, reply) =>
    reply.type('text/javascript; charset=utf-8').send(START),
  );
  for (const [file, type] of [
    ['swagger-ui.css', 'text/css; charset=utf-8'],
    ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  ] as const) {
    fastify.get(`/docs/${file}`, async (_, reply) =>
      reply
        .type(type)
        .header('cache-control', 'public, max-age=3600')
        .send(await readFile(fromSwagger.resolve(`swagger-ui-dist/${file}`))),
    );
  }
}

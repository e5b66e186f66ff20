/** The documents that a standard client configures itself by. Cacheable, so they carry no nonce. */
import {
  authorizationServerMetadata,
  type MetadataOptions,
  protectedResourceMetadata,
} from '../../protocol/oauth/metadata.ts';
import { json } from '../http/answer.ts';
import { type HttpContext, type HttpHandler, httpHandler } from '../http/handler.ts';

export function metadataHandler(http: HttpContext, options: MetadataOptions): HttpHandler {
  const server = authorizationServerMetadata(options);
  const resource = protectedResourceMetadata(options);
  return httpHandler(http, async (request) =>
    json(200, request.resource.endsWith('authorization-server') ? server : resource, {
      'Cache-Control': 'public, max-age=60',
    }),
  );
}

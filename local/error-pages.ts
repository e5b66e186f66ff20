/** Serves the page of each problem's `type` at the entry, from docs/errors/. */
import { readFile } from 'node:fs/promises';
import { PROBLEMS } from '../protocol/problem.ts';
import type { HttpListener } from './server.ts';

/** @param next answers every other request */
export function withErrorPages(next: HttpListener): HttpListener {
  return async (request, response) => {
    const code = /^\/errors\/([a-z_]+)$/.exec(request.url ?? '')?.[1];
    if (request.method !== 'GET' || code === undefined || !Object.hasOwn(PROBLEMS, code))
      return next(request, response);
    const page = await readFile(new URL(`../docs/errors/${code}.md`, import.meta.url));
    response.writeHead(200, { 'Content-Type': 'text/markdown; charset=utf-8' }).end(page);
  };
}

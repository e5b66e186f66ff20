/**
 * The floor: reads a request and answers 201 with a body as long as a registration's, and does nothing else.
 */
import { answerAsks } from './ask.ts';
import { gauges } from './gauges.ts';
import { listen, readText } from './server.ts';

const url = await listen(() => async (request, response) => {
  const body = JSON.stringify({
    id: 'i'.repeat(43),
    created_at: new Date().toISOString(),
    data: await readText(request),
  });
  response.writeHead(201, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
});

answerAsks({ ...gauges(), url: () => url });

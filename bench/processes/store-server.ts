/** A store that takes every write: it reads the request and answers as DynamoDB answers a `PutItem`. */
import { randomBytes } from 'node:crypto';
import { answerAsks } from './ask.ts';
import { listen } from './server.ts';

const url = await listen(() => (request, response) => {
  request.resume();
  request.on('end', () => {
    const headers = {
      'Content-Type': 'application/x-amz-json-1.0',
      'Content-Length': '2',
      'x-amzn-RequestId': randomBytes(26).toString('hex').toUpperCase(),
      'x-amz-crc32': '2745614147',
    };
    response.writeHead(200, headers).end('{}');
  });
});

answerAsks({ url: () => url });

/** Runs the whole local platform in a process of its own. */
import { startPlatform } from '../../local/platform.ts';
import { answerAsks } from './ask.ts';
import { gauges } from './gauges.ts';

const { info } = await startPlatform({ port: 0 });

answerAsks({ ...gauges(), info: () => info });

import { memoryDynamodb } from '../../bench/store/memory-dynamodb.ts';
import { storesContract } from '../contract/stores.ts';

storesContract('the stand-in that handlers are measured on', () => memoryDynamodb());

/** What a stage with OAuth has besides. test/lib/stacks/iam.ts has its rights. */
import { expect, it } from 'vitest';
import { namesOf } from '../../../cli/preflight/names.ts';
import { ENVIRONMENT } from '../../../lambda/contract/environment.ts';
import { bundleOf, FUNCTIONS, functionName, functionsOf } from '../../../lambda/contract/names.ts';
import { OAUTH_ROUTES, ROUTES } from '../../../lambda/contract/routes.ts';
import { flat, PROD, PROD_OAUTH, type Stack, synthesise } from '../synth.ts';

const { region } = synthesise(PROD_OAUTH);
const functions = (stack: Stack) => stack.ofType('AWS::Lambda::Function').map(({ Properties }) => Properties);
const named = (name: string) => functions(region).find(({ FunctionName }) => FunctionName === name)!;

it.each(functionsOf(true))('%s has the variables of its code, each with a value', (name) => {
  const { Variables } = named(functionName('live', name)).Environment;
  expect(Object.keys(Variables).sort()).toEqual([...ENVIRONMENT[bundleOf(name, true)]].sort());
  for (const value of Object.values(Variables)) expect(flat(value)).not.toBe('');
});

it('settings become one variable', () => {
  const resources = [{ url: 'https://orders.example.com', client: 'orders-api' }];
  const { region } = synthesise({
    ...PROD,
    oauth: { tokenLife: 'PT5M', bodyBinding: 'required', scopes: ['orders:read'], resources },
  });
  const { Variables } = functions(region).find(
    ({ FunctionName }) => FunctionName === functionName('live', 'oauth-token'),
  )!.Environment;
  expect(JSON.parse(Variables.COUNTERSIGN_OAUTH)).toEqual({
    tokenLifeMs: 300_000,
    bodyBinding: true,
    scopes: ['orders:read'],
    resources,
  });
});

it('the token function alone reads the private halves of the keys of tokens', () => {
  const reading = functions(region).filter(({ Environment }) =>
    JSON.stringify(Environment).includes('COUNTERSIGN_TOKEN_SECRET'),
  );
  expect(reading.map(({ FunctionName }) => FunctionName)).toEqual([functionName('live', 'oauth-token')]);
});

it('every route leads to its function', () => {
  const paths = region
    .ofType('AWS::ApiGateway::Method')
    .filter(({ Properties }) => Properties.Integration.Type === 'AWS_PROXY').length;
  const methods = [...ROUTES, ...OAUTH_ROUTES].flatMap((route) => route.methods).length;
  // The health checkers have a path of their own.
  expect(paths).toBe(methods + 1);
});

it('an alarm counts the errors of its functions, and the others count what they counted', () => {
  const errors = region
    .ofType('AWS::CloudWatch::Alarm')
    .filter(({ Properties }) => /-function-errors(-oauth)?$/.test(Properties.AlarmName))
    .map(({ Properties }) =>
      (Properties.Metrics as { MetricStat?: { Metric: { Dimensions: { Value: string }[] } } }[]).flatMap(
        ({ MetricStat }) => MetricStat?.Metric.Dimensions.map(({ Value }) => Value) ?? [],
      ),
    );
  const of = (routes: typeof ROUTES) =>
    [...new Set(routes.map((route) => functionName('live', route.function)))].sort();
  expect(errors.map((names) => names.sort())).toEqual([of(ROUTES), of(OAUTH_ROUTES)]);
});

it('preflight looks for the names of its functions', () => {
  const looked = namesOf('live', { ledgerGeneration: 1, tableGeneration: 1 }, true, true);
  const names = looked.flatMap(([kind, name]) => (kind === 'function' ? [name] : []));
  expect(names.sort()).toEqual(
    functions(region)
      .map(({ FunctionName }) => FunctionName)
      .sort(),
  );
});

it('a stage without it is as it was: neither functions, nor routes, nor rights, nor variables', () => {
  const { region: plain } = synthesise(PROD);
  const names = functions(plain).map(({ FunctionName }) => FunctionName);
  for (const name of functionsOf(true))
    expect(names.includes(functionName('live', name))).toBe(FUNCTIONS.some((each) => each === name));
  expect(JSON.stringify(plain.template)).not.toMatch(/oauth|COUNTERSIGN_TOKEN_SECRET/i);
});

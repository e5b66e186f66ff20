/**
 * The commands, each with its line of `countersign --help`. A command's own modules are loaded only if it is
 * asked for: most of them load parts of the AWS SDK.
 */
import type { Command } from 'commander';
import type { RunCommand } from './drill/command.ts';
import { canStartPlatform } from './drill/platform.ts';
import type { Io, SetExit } from './io.ts';

export interface Entry {
  /** Its name and arguments, as help shows them. */
  readonly term: string;
  readonly description: string;
  /** Whether help and completion leave it out. */
  readonly hidden?: boolean;
  load(): Promise<Command>;
}

/** @param run runs a command line; a drill gives commands, too */
export const commands = (io: Io, setExit: SetExit, run: RunCommand): readonly Entry[] => [
  {
    term: 'register [options] <file>',
    description: 'Register the users of a file, replay-proof; safe to repeat.',
    load: async () => (await import('./register/command.ts')).registerCommand(io, setExit),
  },
  {
    term: 'registrations',
    description: 'Show, delete or erase registrations.',
    load: async () => (await import('./registrations/command.ts')).registrationsCommand(io, setExit),
  },
  {
    term: 'events',
    description: 'Rebuild the events that consumers read.',
    load: async () => (await import('./events/command.ts')).eventsCommand(io, setExit),
  },
  {
    term: 'clients',
    description: 'Manage the clients that may register users.',
    load: async () => (await import('./clients/command.ts')).clientsCommand(io, setExit),
  },
  {
    term: 'webhooks',
    description: 'Manage the endpoints that get callbacks.',
    load: async () => (await import('./webhooks/command.ts')).webhooksCommand(io, setExit),
  },
  {
    term: 'listen [options]',
    description: "Send a client's events, as they happen, to a program under development.",
    load: async () => (await import('./listen/command.ts')).listenCommand(io, setExit),
  },
  {
    term: 'revoke',
    description: 'Take back a proof, a token, a client, or a key of a client.',
    load: async () => (await import('./revoke/command.ts')).revokeCommand(io, setExit),
  },
  {
    term: 'keys',
    description: "Manage the platform's own keys, which are made in Vault.",
    load: async () => (await import('./keys/command.ts')).keysCommand(io, setExit),
  },
  {
    term: 'evacuate [options] <region>',
    description: 'Take a Region out of service until you return it.',
    load: async () => (await import('./evacuation/command.ts')).evacuateCommand(io, setExit),
  },
  {
    term: 'return [options] <region>',
    description: 'Return an evacuated Region to service.',
    load: async () => (await import('./evacuation/command.ts')).returnCommand(io, setExit),
  },
  {
    term: 'drill [options] <drill>',
    description: 'Take a part of a local platform away under load, and measure what clients see.',
    hidden: !canStartPlatform(),
    load: async () => (await import('./drill/command.ts')).drillCommand(io, setExit, run),
  },
  {
    term: 'registry',
    description:
      'The tables that all Regions share, registry and clients: show them, or copy them into tables of another generation.',
    load: async () => (await import('./registry/command.ts')).registryCommand(io, setExit),
  },
  {
    term: 'doctor [options]',
    description: 'Check the way to a platform, and the key; changes nothing there.',
    load: async () => (await import('./doctor/command.ts')).doctorCommand(io, setExit),
  },
  {
    term: 'preflight [options]',
    description:
      'Check, Region by Region, for what would make a deployment of this project fail. Changes nothing.',
    load: async () => (await import('./preflight/command.ts')).preflightCommand(io, setExit),
  },
  {
    term: 'deploy [options]',
    description:
      'Deploy this project: stack by stack, one Region after the other, each one only while the one before it is healthy.',
    load: async () => (await import('./deploy/command.ts')).deployCommand(io, setExit),
  },
  {
    term: 'destroy [options]',
    description:
      'Destroy the stacks of this project, in the reverse order. Of a prod stage registrations, clients, secrets and keys stay; used nonces, quotas, evacuation flags and the events of 30 days go. The command names the stacks that stay.',
    load: async () => (await import('./deploy/command.ts')).destroyCommand(io, setExit),
  },
  {
    term: 'region',
    description: 'Add a Region to a stage, or remove one.',
    load: async () => (await import('./regions/command.ts')).regionCommand(io, setExit),
  },
  {
    term: 'vault',
    description: 'Prepare the Vault in which the keys are made.',
    load: async () => (await import('./vault/command.ts')).vaultCommand(io),
  },
];

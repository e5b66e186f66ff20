/** A registration as answers show it (docs/protocol.md, "Registering"). */
import type { Registration } from '../../protocol/registration.ts';

export function representation({ id, clientId, userId, createdAtMs, data }: Registration): object {
  return { id, client_id: clientId, user_id: userId, created_at: new Date(createdAtMs).toISOString(), data };
}

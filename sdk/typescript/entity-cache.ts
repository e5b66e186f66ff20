/**
 * What this client has read, by path, with its entity tag: the platform then answers 304 without the data.
 */
interface Entity {
  readonly etag: string;
  /** The body as it was received: each caller gets objects of its own. */
  readonly text: string;
}

const MOST_ENTITIES = 256;

export class EntityCache {
  /** The one used last is at the end. */
  readonly #entities = new Map<string, Entity>();

  get(path: string): Entity | undefined {
    const found = this.#entities.get(path);
    if (found) this.put(path, found);
    return found;
  }

  put(path: string, entity: Entity): void {
    this.#entities.delete(path);
    this.#entities.set(path, entity);
    if (this.#entities.size > MOST_ENTITIES) this.#entities.delete(this.#entities.keys().next().value!);
  }

  drop(path: string): void {
    this.#entities.delete(path);
  }
}

/**
 * Which hooks a class has of its own. A comparison with the default method tells, except where a class gives the hooks
 * other names and only forwards; those say so with {@link nameHook}. Called every turn, so it must stay cheap.
 */

/** The hooks of which it matters whether a class has its own: what nobody would be told of is not asked for. */
type WatchedHook = "handleWrite" | "handleWriteEvent" | "handleExpt" | "handleExptEvent";

type Hooks = Readonly<Record<WatchedHook, () => unknown>>;

interface OtherName {
  readonly name: string;
  readonly fallback: unknown;
  readonly original: unknown;
}
const otherNames = new WeakMap<object, OtherName>();

/**
 * For classes that give hooks another name (`asyncore/classic`): `forward` only calls the method `name`, whose default
 * `fallback` only calls `original`. A class has such a hook of its own where `name` is no longer `fallback`.
 */
export function nameHook(forward: object, name: string, fallback: object, original: object): void {
  otherNames.set(forward, { name, fallback, original });
}

/** Whether the class, or the channel itself, has this hook of its own. `base`: the defaults. */
export function overrides(channel: Hooks, base: Hooks, hook: WatchedHook): boolean {
  const method = channel[hook];
  const original = base[hook];
  if (method === original) return false;
  const other = otherNames.get(method);
  if (other === undefined || other.original !== original) return true;
  return (channel as unknown as Record<string, unknown>)[other.name] !== other.fallback;
}

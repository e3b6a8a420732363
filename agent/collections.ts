/** Items by what this says of each, in their order: Map.groupBy of node 21. Pure. */
export function groupBy<T, Key>(items: Iterable<T>, keyOf: (item: T) => Key): Map<Key, T[]> {
  const groups = new Map<Key, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

/** The same function, called once for each argument as long as that is there. */
export function oncePer<Argument extends object, Result>(make: (argument: Argument) => Result) {
  const made = new WeakMap<Argument, Result>();
  return (argument: Argument): Result => {
    const result = made.has(argument) ? (made.get(argument) as Result) : make(argument);
    made.set(argument, result);
    return result;
  };
}

// The Tree tab in the address bar; app/tree/address.py reads it.

// order: the names of the settings, which are written as they are.
export function treeTab(order) {
  return { tab: "tree", write(query, settings) {
    for (const name of order) if (settings[name] !== undefined) query.set(name, String(settings[name]));
  } };
}

// The walls of src/ as lint rules: `imports` (a file imports from lower floors only) and `bun` (only src/socket
// names Bun). Loaded by .oxlintrc.json. `scripts/prove-walls.ts` shows that every entry below bites.
import { dirname, relative, resolve, sep } from "node:path";

const src = resolve(import.meta.dirname, "..", "src");

/** What the files of each folder of src/ (or each file at its top) may import: rooms of src/, and modules by name. */
const rooms = {
  base: { may: [], modules: [] },
  bytes: { may: ["base"], modules: ["node:buffer"] },
  socket: { may: ["base", "bytes"], modules: ["node:*", "bun", "bun:*"] },
  dispatcher: { may: ["base", "bytes", "socket"], modules: ["node:*"] },
  testing: { may: ["base", "bytes", "socket", "dispatcher"], modules: ["node:*"] },
  classic: { may: ["base", "bytes", "socket", "dispatcher", "testing"], modules: ["node:*"] },
  client: { may: ["base", "bytes", "socket", "dispatcher"], modules: ["node:*"] },
  server: { may: ["base", "bytes", "socket", "dispatcher", "testing"], modules: ["node:*"] },
  "cli.ts": {
    may: ["base", "bytes", "socket", "dispatcher", "testing", "classic", "client", "server"],
    modules: ["node:*"],
  },
  "index.ts": { may: ["base", "bytes", "socket", "dispatcher", "client"], modules: [] },
};

/** The folder of src/ that a file is in, the file's own name at the top of src/, or undefined outside src/. */
function roomOf(path) {
  const inside = relative(src, path);
  return inside.startsWith("..") ? undefined : inside.split(sep)[0];
}

function complaint(file, specifier) {
  const from = roomOf(file);
  if (from === undefined) return undefined;
  const rule = rooms[from];
  if (rule === undefined) return `src/${from} has no floor yet: give it one in scripts/lint-walls.js.`;
  if (!/^[./]/.test(specifier)) {
    const allowed = rule.modules.some((name) =>
      name.endsWith("*") ? specifier.startsWith(name.slice(0, -1)) : specifier === name,
    );
    return allowed ? undefined : `src/${from} must not import "${specifier}".`;
  }
  const to = roomOf(resolve(dirname(file), specifier));
  if (to === undefined) return `src imports nothing from outside src: "${specifier}".`;
  if (to === "" || /^index(\.[jt]s)?$/.test(to)) return "Nothing in src imports src/index.ts.";
  if (to === from || rule.may.includes(to)) return undefined;
  return `src/${from} must not import src/${to}: imports go downwards only.`;
}

const imports = {
  create(context) {
    const check = (node, source) => {
      if (source?.type !== "Literal" || typeof source.value !== "string") return;
      const message = complaint(context.filename, source.value);
      if (message !== undefined) context.report({ node, message });
    };
    return {
      ImportDeclaration: (node) => check(node, node.source),
      ExportNamedDeclaration: (node) => check(node, node.source),
      ExportAllDeclaration: (node) => check(node, node.source),
      ImportExpression(node) {
        if (node.source.type === "Literal") check(node, node.source);
        else context.report({ node, message: "Import by a literal name, so that the walls can be checked." });
      },
      TSImportType: (node) => check(node, node.source ?? node.argument?.literal ?? node.argument),
      TSExternalModuleReference: (node) => check(node, node.expression),
      CallExpression(node) {
        if (node.callee.type === "Identifier" && node.callee.name === "require")
          check(node, node.arguments[0]);
      },
    };
  },
};

const message = "Only src/socket names Bun.";

const bun = {
  create(context) {
    if (roomOf(context.filename) === undefined || roomOf(context.filename) === "socket") return {};
    return {
      Identifier(node) {
        if (node.name === "Bun") context.report({ node, message });
      },
      Literal(node) {
        if (node.value === "Bun") context.report({ node, message });
      },
    };
  },
};

export default { meta: { name: "walls" }, rules: { imports, bun } };

import { posix } from 'node:path';
import ts from 'typescript';

/** A source file: its path below `src` with slashes, and its text. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

export const fileLinesMax = 400;
export const functionLinesMax = 70;

interface Room {
  /** Rooms that it may import. */
  readonly rooms: readonly string[];
  /** Rooms of which it may import types only. */
  readonly types?: readonly string[];
  readonly packages?: readonly string[];
}

/** What browsers run has no modules of Node; `node:` modules are everyone else's. */
const browserRooms = new Set(['gen', 'web']);

/** Who may import whom: rooms are the folders of `src` and the files directly in it. */
const rooms: ReadonlyMap<string, Room> = new Map<string, Room>([
  ['basics', { rooms: ['basics'] }],
  ['remoting', { rooms: ['remoting', 'basics'] }],
  ['http2', { rooms: ['http2', 'basics'] }],
  ['grpc', { rooms: ['grpc', 'basics', 'http2'] }],
  ['client', { rooms: ['client', 'remoting', 'basics'], types: ['log'], packages: ['lru-cache'] }],
  ['broker', { rooms: ['broker', 'remoting'], types: ['log'] }],
  [
    'proxy',
    {
      rooms: ['proxy', 'basics', 'client', 'gen', 'grpc', 'http2', 'remoting', 'wire'],
      types: ['log', 'options'],
      packages: ['@bufbuild/protobuf', '@connectrpc/connect', '@connectrpc/connect-node', 'lru-cache', 'prom-client'],
    },
  ],
  ['options', { rooms: ['option-kinds', 'settings'], packages: ['commander'] }],
  ['settings', { rooms: ['embedded-settings', 'option-kinds'] }],
  ['embedded-settings', { rooms: ['option-kinds'] }],
  ['option-kinds', { rooms: [] }],
  ['log', { rooms: [], packages: ['pino'] }],
  ['wire', { rooms: ['wire', 'gen'], packages: ['@bufbuild/protobuf'] }],
  // What its codecs run on is handed to them, so that browsers can use the rest.
  ['gen', { rooms: ['gen'], types: ['wire'], packages: ['@bufbuild/protobuf'] }],
  [
    'web',
    { rooms: ['web', 'gen'], packages: ['@bufbuild/protobuf', '@connectrpc/connect', '@connectrpc/connect-web'] },
  ],
  // Of RocketMQ's own parts only in direct mode.
  ['sdk', { rooms: ['sdk', 'gen', 'client', 'wire'], packages: ['@bufbuild/protobuf', '@grpc/grpc-js'] }],
  ['testing', { rooms: ['testing', 'broker', 'remoting'] }],
  ['embedded', { rooms: ['embedded-engine'], types: ['log', 'options'] }],
  ['embedded-engine', { rooms: ['broker', 'embedded-error', 'remoting'], types: ['log', 'options'] }],
  ['embedded-error', { rooms: [] }],
  ['first-steps', { rooms: [] }],
  [
    'server',
    { rooms: ['options', 'log', 'embedded', 'embedded-error', 'first-steps', 'proxy'], types: ['embedded-engine'] },
  ],
]);

/** The only files that may look at the process's environment. */
const environmentReaders = new Set(['options.ts', 'server.ts']);

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

function roomOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : path.replace(/\.ts$/, '');
}

function parse({ path, text }: Source): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
}

/** Every node of a file, in order. */
function nodesOf(file: ts.SourceFile): ts.Node[] {
  const nodes: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    nodes.push(node);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return nodes;
}

function importOf(node: ts.Node): Import | undefined {
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    const clause = node.importClause;
    const named = clause?.namedBindings;
    const allTypes =
      named !== undefined &&
      ts.isNamedImports(named) &&
      named.elements.length > 0 &&
      named.elements.every((one) => one.isTypeOnly);
    const typeOnly = clause !== undefined && (clause.isTypeOnly || (clause.name === undefined && allTypes));
    return { specifier: node.moduleSpecifier.text, typeOnly };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined && ts.isStringLiteral(node.moduleSpecifier)) {
    return { specifier: node.moduleSpecifier.text, typeOnly: node.isTypeOnly };
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal)) {
    return { specifier: node.argument.literal.text, typeOnly: true };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [specifier] = node.arguments;
    // A specifier that is computed could be anything: it is named as it stands, which no rule allows.
    const isText = specifier !== undefined && ts.isStringLiteral(specifier);
    return { specifier: isText ? specifier.text : (specifier?.getText() ?? ''), typeOnly: false };
  }
  return undefined;
}

function importsOf(source: Source): Import[] {
  return nodesOf(parse(source)).flatMap((node) => importOf(node) ?? []);
}

/** The path below `src` that a relative import names. */
function resolve(from: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(from), specifier));
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith('.');
}

/** Imports that the table of rooms does not allow. */
export function forbiddenImports(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => {
    const room = roomOf(source.path);
    const rule = rooms.get(room);
    if (rule === undefined) return [`${source.path}: room ${room} is not in the table: say what it may import`];
    const forbidden = importsOf(source).filter((one) => !isAllowed(source.path, rule, one));
    return forbidden.map(({ specifier }) => `${source.path}: ${room} must not import ${specifier}`);
  });
}

function isAllowed(path: string, rule: Room, { specifier, typeOnly }: Import): boolean {
  if (isRelative(specifier)) {
    const room = roomOf(resolve(path, specifier));
    return rule.rooms.includes(room) || (typeOnly && (rule.types ?? []).includes(room));
  }
  if (specifier.startsWith('node:')) return !browserRooms.has(roomOf(path));
  return (rule.packages ?? []).some((name) => specifier === name || specifier.startsWith(`${name}/`));
}

/** Circles of imports, types included, each told once from the file that comes first in the alphabet. */
export function importCycles(sources: readonly Source[]): string[] {
  const targets = new Map(
    sources.map((source) => [
      source.path,
      importsOf(source).flatMap(({ specifier }) => (isRelative(specifier) ? [resolve(source.path, specifier)] : [])),
    ]),
  );
  const cycles = new Set<string>();
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      cycles.add(describeCycle(trail.slice(trail.indexOf(path))));
    } else if (!done.has(path)) {
      for (const target of targets.get(path) ?? []) visit(target, [...trail, path]);
      done.add(path);
    }
  };
  for (const path of targets.keys()) visit(path, []);
  return [...cycles];
}

function describeCycle(cycle: readonly string[]): string {
  const first = cycle.indexOf([...cycle].sort()[0] ?? '');
  const ordered = [...cycle.slice(first), ...cycle.slice(0, first)];
  return [...ordered, ordered[0]].join(' -> ');
}

/** Files and functions that are too long to be read at once. */
export function tooLong(sources: readonly Source[]): string[] {
  return withoutGenerated(sources).flatMap((source) => {
    const lineCount = source.text.replace(/\n$/, '').split('\n').length;
    const file = lineCount > fileLinesMax ? [`${source.path}: ${lineCount} lines, at most ${fileLinesMax}`] : [];
    return [...file, ...longFunctions(source)];
  });
}

function longFunctions(source: Source): string[] {
  const file = parse(source);
  return nodesOf(file).flatMap((node) => {
    if (!ts.isFunctionLike(node) || !('body' in node) || node.body === undefined) return [];
    const line = (position: number): number => file.getLineAndCharacterOfPosition(position).line + 1;
    const [first, last] = [line(node.getStart()), line(node.end)];
    const lineCount = last - first + 1;
    return lineCount > functionLinesMax
      ? [`${source.path}:${first}: a function of ${lineCount} lines, at most ${functionLinesMax}`]
      : [];
  });
}

/** `export *`, default exports and `export =`. */
export function forbiddenExports(sources: readonly Source[]): string[] {
  return withoutGenerated(sources).flatMap((source) =>
    nodesOf(parse(source)).flatMap((node) => {
      const forbidden = forbiddenExport(node);
      return forbidden === undefined ? [] : [`${source.path}: ${forbidden}`];
    }),
  );
}

function forbiddenExport(node: ts.Node): string | undefined {
  const isStar = ts.isExportDeclaration(node) && !(node.exportClause && ts.isNamedExports(node.exportClause));
  if (isStar) return 'export *';
  const isDefaultModifier = ts.isModifier(node) && node.kind === ts.SyntaxKind.DefaultKeyword;
  const isNamedDefault = ts.isExportSpecifier(node) && node.name.text === 'default';
  return ts.isExportAssignment(node) || (isDefaultModifier && hasModifier(node)) || isNamedDefault
    ? 'default export'
    : undefined;
}

/** Whether a keyword stands before a declaration, as in `export default class`. */
function hasModifier({ parent }: ts.Node): boolean {
  return ts.isFunctionDeclaration(parent) || ts.isClassDeclaration(parent) || ts.isInterfaceDeclaration(parent);
}

/** Files other than those two that look at `process.env`. */
export function environmentReads(sources: readonly Source[]): string[] {
  const others = sources.filter(({ path }) => !environmentReaders.has(path));
  return others
    .filter((source) => nodesOf(parse(source)).some(readsEnvironment))
    .map(({ path }) => `${path}: process.env`);
}

function readsEnvironment(node: ts.Node): boolean {
  const isProcess = (one: ts.Node | undefined): boolean =>
    one !== undefined && /^(globalThis\.)?process$/.test(one.getText());
  if (ts.isPropertyAccessExpression(node)) return isProcess(node.expression) && node.name.text === 'env';
  if (ts.isElementAccessExpression(node)) return isProcess(node.expression);
  if (ts.isVariableDeclaration(node)) return ts.isObjectBindingPattern(node.name) && isProcess(node.initializer);
  const imported = importOf(node);
  return imported !== undefined && /^(node:)?process$/.test(imported.specifier);
}

/**
 * Files without a test of their name.
 * @param tests paths below `test`.
 * @param exceptions files that are tested elsewhere, each with the reason; one that needs no exception is named too.
 */
export function unmirrored(
  sources: readonly Source[],
  tests: ReadonlySet<string>,
  exceptions: ReadonlyMap<string, string>,
): string[] {
  const needing = withoutGenerated(sources).filter((source) => source.path !== 'server.ts' && hasBehaviour(source));
  const missing = needing.map(({ path }) => path).filter((path) => !tests.has(path.replace(/\.ts$/, '.test.ts')));
  const unknown = [...exceptions.keys()].filter((path) => !missing.includes(path));
  return [
    ...missing
      .filter((path) => !exceptions.has(path))
      .map((path) => `${path}: no test/${path.replace(/\.ts$/, '.test.ts')}`),
    ...unknown.map((path) => `${path}: needs no exception`),
  ];
}

/** Whether there is anything to run in a file: types and constants do nothing. */
function hasBehaviour(source: Source): boolean {
  return nodesOf(parse(source)).some(
    (node) => ts.isClassDeclaration(node) || (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined),
  );
}

function withoutGenerated(sources: readonly Source[]): readonly Source[] {
  return sources.filter(({ path }) => roomOf(path) !== 'gen');
}

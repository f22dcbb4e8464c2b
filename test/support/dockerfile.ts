/** Runs the instructions of a Dockerfile in folders of this machine, where there is no container engine. */
import { spawnSync } from 'node:child_process';
import { chownSync, cpSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, posix } from 'node:path';

/** One instruction: `COPY`, and what stands behind it. */
export interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** What a stage has made: the folder that stands for its root, and what the last one says about running it. */
export interface Image {
  readonly root: string;
  workdir: string;
  readonly environment: Record<string, string>;
  readonly volumes: string[];
  user: string;
  healthcheck: readonly string[];
  entrypoint: readonly string[];
}

export interface BuildOptions {
  /** Folder that holds what is copied from outside. */
  readonly context: string;
  /** An empty folder: each stage gets one in it. */
  readonly folder: string;
  /** Runs a line of `RUN` in a folder. */
  readonly run: (command: string, folder: string) => void;
}

/** The instructions of a Dockerfile, without comments, each on one line. */
export function readInstructions(path: string): Instruction[] {
  const text = readFileSync(path, 'utf8')
    .replace(/^\s*#.*\n/gm, '')
    .replaceAll('\\\n', ' ');
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => {
    const [, name = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line.trim()) ?? [];
    return { name, text: rest };
  });
}

/** The last image of a Dockerfile. @throws Error for an instruction that is not known here. */
export function buildImage(instructions: readonly Instruction[], options: BuildOptions): Image {
  const images = new Map<string, Image>();
  let image: Image | undefined;
  for (const instruction of instructions) {
    if (instruction.name === 'ARG') continue;
    if (instruction.name === 'FROM') {
      const [, name = `stage-${images.size}`] = / AS (\S+)$/.exec(instruction.text) ?? [];
      image = newImage(join(options.folder, name));
      images.set(name, image);
    } else if (image === undefined) {
      throw new Error(`${instruction.name} stands before FROM`);
    } else follow(instruction, image, { ...options, images });
  }
  if (image === undefined) throw new Error('there is no FROM');
  return image;
}

function newImage(root: string): Image {
  mkdirSync(root);
  return { root, workdir: '/', environment: {}, volumes: [], user: '', healthcheck: [], entrypoint: [] };
}

type Stages = BuildOptions & { readonly images: ReadonlyMap<string, Image> };

function follow({ name, text }: Instruction, image: Image, stages: Stages): void {
  const folder = join(image.root, image.workdir);
  switch (name) {
    case 'WORKDIR':
      image.workdir = posix.resolve(image.workdir, text);
      mkdirSync(join(image.root, image.workdir), { recursive: true });
      return;
    case 'COPY':
      copy(text, image, stages);
      return;
    case 'RUN':
      stages.run(text, folder);
      return;
    case 'ENV': {
      const [, variable = '', value = ''] = /^(\w+)=(\S*)$/.exec(text) ?? [];
      image.environment[variable] = value;
      return;
    }
    case 'VOLUME':
      image.volumes.push(text);
      return;
    case 'USER':
      image.user = text;
      return;
    case 'HEALTHCHECK':
      image.healthcheck = execForm(text.replace(/^(--\S+ )*CMD /, ''));
      return;
    case 'ENTRYPOINT':
      image.entrypoint = execForm(text);
      return;
    case 'EXPOSE':
      return;
    default:
      throw new Error(`what ${name} does is not known here`);
  }
}

/** @throws SyntaxError for the form that starts a shell, which hands no signals on. */
function execForm(text: string): string[] {
  return JSON.parse(text);
}

function copy(text: string, image: Image, { context, images }: Stages): void {
  const words = text.split(' ');
  const flags = new Map(words.filter((word) => word.startsWith('--')).map((word) => splitFlag(word)));
  const paths = words.filter((word) => !word.startsWith('--'));
  const target = paths.pop() ?? '';
  const stage = flags.get('--from');
  const from = stage === undefined ? context : images.get(stage)?.root;
  if (from === undefined) throw new Error(`there is no stage ${stage}`);
  const [user, group] = (flags.get('--chown') ?? '').split(':').map(Number);
  for (const path of paths) {
    const source = join(from, path);
    // A folder is copied as what is in it; a file keeps its name in a folder.
    const isInto = target.endsWith('/') && !statSync(source).isDirectory();
    const copied = join(image.root, posix.resolve(image.workdir, target), isInto ? basename(path) : '');
    cpSync(source, copied, { recursive: true, verbatimSymlinks: true });
    // Only root can give away; others own what they run as.
    if (user && group && process.getuid?.() === 0) chownSync(copied, user, group);
  }
}

function splitFlag(word: string): [string, string] {
  const [name = '', value = ''] = word.split('=');
  return [name, value];
}

/** Runs a line as `RUN` does. @throws Error with what it wrote. */
export function runInShell(command: string, folder: string): void {
  // An npm that runs these tests has told its children where its own project is.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { cwd: folder, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ended with ${status}:\n${stdout}${stderr}`);
}

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Bundles a file with all that it imports, minified, as a web page would have it. @throws Error for imports that browsers do not have. */
export async function bundleForBrowsers(path: string): Promise<string> {
  const warnings: string[] = [];
  const bundle = await rolldown({
    input: join(root, path),
    platform: 'browser',
    onwarn: ({ message }) => warnings.push(message),
  });
  try {
    const { output } = await bundle.generate({ format: 'esm', minify: true });
    if (warnings.length > 0) throw new Error(warnings.join('\n'));
    const [{ code, imports }, ...more] = output;
    if (imports.length > 0 || more.length > 0)
      throw new Error(`it imports ${imports} and has ${more.length} more files`);
    return code;
  } finally {
    await bundle.close();
  }
}

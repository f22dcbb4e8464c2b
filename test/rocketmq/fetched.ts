/**
 * Set-up of tests on real peers: brokers, official clients and programs that judge are fetched and compiled before the first test, since
 * what a machine does for that while tests run takes minutes of their time. What is there already costs nothing.
 */

import { buildGoJudge, buildJavaJudge } from './interop/programs.ts';
import { missingForRocketMQ, rocketmqClassPath, rocketmqVersions } from './java.ts';
import {
  buildConformance,
  buildGo,
  buildH2spec,
  buildJava,
  javaClientVersions,
  missingForGo,
  missingForJava,
} from './official/build.ts';

type Build = () => Promise<unknown>;

const javaBuilds: readonly Build[] = [
  ...rocketmqVersions.map((version) => () => rocketmqClassPath(version)),
  ...javaClientVersions.map((version) => () => buildJava(version)),
  buildJavaJudge,
];
const goBuilds: readonly Build[] = [buildGo, buildGoJudge, buildH2spec, buildConformance];

export async function setup(): Promise<void> {
  const hasJava = missingForRocketMQ() === undefined && missingForJava() === undefined;
  const hasGo = missingForGo() === undefined;
  await Promise.all([inTurn(hasJava ? javaBuilds : []), inTurn(hasGo ? goBuilds : [])]);
}

/** Tests that need what could not be had say why. */
async function inTurn(builds: readonly Build[]): Promise<void> {
  for (const build of builds) await build().catch(() => {});
}

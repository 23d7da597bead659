import { Option } from 'commander';

/** Rules of lint whose errors are let pass: `--allow CS003,CS004`, and as often as one likes. */
export const allowOption = (): Option =>
  new Option('--allow <rules>', 'let errors of these rules of lint pass, such as CS003 (repeatable)').argParser(
    (text: string, earlier: string[] = []) => [...earlier, ...text.split(',')],
  );

/** `--audience`, as often as there are audiences. */
export const audienceOption = (description: string): Option =>
  new Option('--audience <audience>', `${description}; repeatable`)
    .argParser((audience: string, earlier: string[]) => [...earlier, audience])
    .default([]);

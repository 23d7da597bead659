import { Option } from 'commander';

/** Rules of lint whose errors are let pass: `--allow CS003,CS004`, and as often as one likes. */
export const allowOption = (): Option =>
  new Option('--allow <rules>', 'let errors of these rules of lint pass, such as CS003 (repeatable)').argParser(
    (text: string, before: string[] = []) => [...before, ...text.split(',')],
  );

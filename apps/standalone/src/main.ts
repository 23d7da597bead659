import 'reflect-metadata';
import { runService } from '@countersign/platform';
import { banner } from './banner';
import { dataFolder, embeddedEnvironment } from './embedded-environment';
import { lockFolder } from './folder-lock';
import { startEmbedded } from './start-embedded';

runService(async () => {
  const dataDir = dataFolder(process.env);
  const unlock = await lockFolder(dataDir);
  const environment = embeddedEnvironment(process.env, dataDir);
  const system = await startEmbedded(environment);
  process.stdout.write(banner({ ...environment, ...system }, process.stdout.isTTY));
  return { url: system.url, stop: () => system.stop().finally(unlock) };
});

export { ExchangeConfig } from './config';
export { ExchangeDatabase } from './database';
export { ExchangeModule } from './exchange.module';

// Types: the calls of datafly.js. Save this file among your types, or reference it from a script.

export type Properties = Record<string, unknown>;

export type ConsentCategory = 'essential' | 'functional' | 'analytics' | 'marketing' | 'personalization';

export interface Datafly {
  /** Something happened. */
  track(name: string, properties?: Properties): void;
  /** A page is seen. Called by itself on load and on client-side navigation, unless `data-auto-page="false"`. */
  page(name?: string, properties?: Properties): void;
  page(properties: Properties): void;
  /** The visitor is this user. Later events carry the id and the traits. */
  identify(userId: string | number, traits?: Properties): void;
  /** More traits of the user that is known already. */
  identify(traits: Properties): void;
  /** The user belongs to this group. */
  group(groupId: string | number, traits?: Properties): void;
  /** What the visitor allows. Categories that are left out keep their state. */
  consent(consent: Partial<Record<ConsentCategory, boolean>>): void;
  /** A new visitor starts, as after a logout. */
  reset(): void;
  /** Sends what waits. Ends when the service has answered, or when it has to be tried again later. Never rejects. */
  flush(): Promise<void>;
  /** Calls back once the script runs. */
  ready(callback: (datafly: Datafly) => void): void;
  readonly pipelineKey: string;
}

declare global {
  interface Window {
    datafly: Datafly;
    _df: Datafly;
  }
  const datafly: Datafly;
  const _df: Datafly;
}

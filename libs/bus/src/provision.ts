// Makes the streams and durables that the contracts name. One user may do this; the others only use their own.

import {
  AckPolicy,
  DeliverPolicy,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { type Identity, inboxPrefix, streamPlans } from '@tapestry/contracts';

export const PROVISION_USER: Identity = { service: 'provision' };

const DAY_NS = 24 * 3_600 * 1e9;

export interface ProvisionOptions {
  readonly url: string;
  readonly password?: string;
  readonly ca?: string;
  /** Copies of each stream: 3 on a cluster of three. */
  readonly replicas?: number;
}

/** Harmless when repeated: what exists is brought to the plan. */
export async function provisionStreams(options: ProvisionOptions): Promise<void> {
  const connection = await connect({
    servers: options.url.split(','),
    name: PROVISION_USER.service,
    inboxPrefix: inboxPrefix(PROVISION_USER.service),
    ...(options.password === undefined
      ? {}
      : { user: PROVISION_USER.service, pass: options.password }),
    ...(options.ca === undefined ? {} : { tls: { ca: options.ca } }),
  });
  try {
    const manager = await jetstreamManager(connection);
    for (const plan of streamPlans()) {
      const config = {
        subjects: [...plan.subjects],
        storage: StorageType.File,
        // A message goes when its consumers have it. A full stream refuses, and the sender's outbox keeps it.
        retention: RetentionPolicy.Interest,
        discard: 'new' as never,
        max_bytes: 512 * 1024 * 1024,
        num_replicas: options.replicas ?? 1,
        duplicate_window: 120 * 1e9,
      };
      const known = await manager.streams.info(plan.stream).then(
        () => true,
        () => false,
      );
      if (known) await manager.streams.update(plan.stream, config);
      else await manager.streams.add({ name: plan.stream, ...config });
      for (const { durable, filter } of plan.consumers) {
        await manager.consumers.add(plan.stream, {
          durable_name: durable,
          filter_subject: filter,
          ack_policy: AckPolicy.Explicit,
          deliver_policy: DeliverPolicy.All,
          ack_wait: 10 * 1e9,
          max_ack_pending: 256,
          inactive_threshold: 365 * DAY_NS,
        });
      }
    }
  } finally {
    await connection.drain();
  }
}

// The frame of the page: who is logged in, where one is, and whether what is shown is live.

import { ActionIcon, Button, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { lazy, type ReactNode, Suspense, useCallback, useState } from 'react';
import { Link, Redirect, Route, Switch, useLocation } from 'wouter';
import { ActivityPage } from './activity/activity-page.tsx';
import { api, isLoggedOut, type Session, unwrap } from './api.ts';
import { LiveProvider, useStreamState } from './live/live.tsx';
import { StreamBanner } from './parts/banner.tsx';
import { LogoMark, MoonIcon, SunIcon } from './parts/icons.tsx';
import { KeysDialog } from './parts/keys-dialog.tsx';
import { EmptyState, ProblemBox } from './parts/notices.tsx';
import { useKeys } from './parts/use-keys.ts';
import { LoginPage } from './places/login-page.tsx';
import { SystemPage, useDaemons } from './places/system-page.tsx';

/** Fetched when somebody looks at the devices: most begin with the jobs. */
const DevicesPage = lazy(async () => ({
  default: (await import('./devices/devices-page.tsx')).DevicesPage,
}));

export function App(): ReactNode {
  const queries = useQueryClient();
  const session = useQuery({
    queryKey: ['session'],
    queryFn: () => unwrap(api.GET('/api/session')),
    staleTime: 60_000,
  });
  const onLoggedOut = useCallback(() => {
    queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'session' });
    void queries.resetQueries({ queryKey: ['session'] });
  }, [queries]);
  if (session.isPending) return <div className="startup" role="status" aria-label="Loading" />;
  if (session.error !== null) {
    if (isLoggedOut(session.error)) return <LoginPage />;
    return (
      <main className="place">
        <ProblemBox problem={session.error} onRetry={() => void session.refetch()} />
      </main>
    );
  }
  return (
    <LiveProvider onLoggedOut={onLoggedOut}>
      <Frame session={session.data} onLoggedOut={onLoggedOut} />
    </LiveProvider>
  );
}

function Frame({
  session,
  onLoggedOut,
}: {
  readonly session: Session;
  readonly onLoggedOut: () => void;
}): ReactNode {
  const [help, setHelp] = useState(false);
  useKeys({ '?': () => setHelp(true) });
  return (
    <div className="frame">
      <header className="bar">
        <Link href="/activity" className="brand">
          <LogoMark />
          Tapestry
        </Link>
        <nav aria-label="Places">
          <Place href="/activity">Activity</Place>
          <Place href="/devices">Devices</Place>
          <Place href="/system">System</Place>
        </nav>
        <div className="bar-end">
          <DaemonCount />
          <LiveMark />
          <SchemeToggle />
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label="Keyboard help"
            onClick={() => setHelp(true)}
          >
            ?
          </ActionIcon>
          <LogOut user={session.user} onLoggedOut={onLoggedOut} />
        </div>
      </header>
      <StreamBanner />
      <Switch>
        <Route path="/">
          <Redirect to="/activity" replace />
        </Route>
        <Route path="/activity/:jobId?">
          {({ jobId }) => <ActivityPage jobId={/^\d+$/.test(jobId ?? '') ? Number(jobId) : null} />}
        </Route>
        <Route path="/devices">
          <Suspense fallback={<div className="startup" role="status" aria-label="Loading" />}>
            <DevicesPage />
          </Suspense>
        </Route>
        <Route path="/system" component={SystemPage} />
        <Route>
          <main className="place">
            <EmptyState title="There is nothing at this address">
              <p>
                The link may be old or cut short. The <Link href="/activity">jobs are here</Link>.
              </p>
            </EmptyState>
          </main>
        </Route>
      </Switch>
      <KeysDialog opened={help} onClose={() => setHelp(false)} />
    </div>
  );
}

function Place({
  href,
  children,
}: {
  readonly href: string;
  readonly children: string;
}): ReactNode {
  const [location] = useLocation();
  const here = location === href || location.startsWith(`${href}/`);
  return (
    <Link href={href} className="place-link" aria-current={here ? 'page' : undefined}>
      {children}
    </Link>
  );
}

function DaemonCount(): ReactNode {
  const daemons = useDaemons();
  if (daemons.length === 0) return null;
  const up = daemons.filter(({ state }) => state === 'up').length;
  const well = up === daemons.length;
  return (
    <Link href="/system" className="daemon-count" data-well={well}>
      {well ? `${up} daemons up` : `${up} of ${daemons.length} daemons up`}
    </Link>
  );
}

function LiveMark(): ReactNode {
  const { kind, bus } = useStreamState();
  const state = kind === 'live' && !bus ? 'lost' : kind;
  const words = { live: 'Live', connecting: 'Connecting', lost: 'Not live' }[state];
  return (
    <span className="live-mark" data-state={state} role="status">
      <span className="live-dot" aria-hidden />
      <span className="live-words">{words}</span>
    </span>
  );
}

function SchemeToggle(): ReactNode {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  const other = scheme === 'dark' ? 'light' : 'dark';
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      aria-label={`Use ${other} colours`}
      onClick={() => setColorScheme(other)}
    >
      {scheme === 'dark' ? <SunIcon /> : <MoonIcon />}
    </ActionIcon>
  );
}

function LogOut({
  user,
  onLoggedOut,
}: {
  readonly user: string;
  readonly onLoggedOut: () => void;
}): ReactNode {
  const logOut = async (): Promise<void> => {
    await unwrap(api.DELETE('/api/session')).catch(() => undefined);
    onLoggedOut();
  };
  return (
    <Button
      variant="subtle"
      color="gray"
      size="compact-sm"
      title={`Logged in as ${user}`}
      onClick={() => void logOut()}
    >
      Log out
    </Button>
  );
}

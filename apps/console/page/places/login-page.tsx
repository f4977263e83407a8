// Who are you? Shown at any address until somebody is logged in; the address stays, and is where one goes then.

import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { api, unwrap } from '../api.ts';
import { LogoMark } from '../parts/icons.tsx';
import { ProblemBox } from '../parts/notices.tsx';

export function LoginPage(): ReactNode {
  const queries = useQueryClient();
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Error | null>(null);
  const userField = useRef<HTMLInputElement>(null);
  useEffect(() => userField.current?.focus(), []);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      const session = await unwrap(api.POST('/api/session', { body: { user, password } }));
      queries.setQueryData(['session'], session);
    } catch (error) {
      setProblem(error as Error);
      setPassword('');
      setBusy(false);
    }
  };
  return (
    <main className="login">
      <form className="login-card" onSubmit={(event) => void submit(event)}>
        <h1>
          <LogoMark />
          Tapestry
        </h1>
        <p className="dim">The Activity Monitor: what runs now, and what ran.</p>
        {problem === null ? null : <ProblemBox problem={problem} />}
        <TextInput
          label="User"
          name="user"
          autoComplete="username"
          required
          withAsterisk={false}
          ref={userField}
          value={user}
          onChange={(event) => setUser(event.currentTarget.value)}
        />
        <PasswordInput
          label="Password"
          name="password"
          autoComplete="current-password"
          required
          withAsterisk={false}
          visibilityToggleButtonProps={{ 'aria-label': 'Show the password' }}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <Button type="submit" loading={busy}>
          Log in
        </Button>
      </form>
    </main>
  );
}

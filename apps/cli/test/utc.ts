// Imported first by tests that print times: they are local, and a test has to know which locality.

process.env.TZ = 'UTC';

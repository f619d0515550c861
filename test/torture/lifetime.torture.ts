// The tests of the ordinary suite, for longer.
process.env['TORTURE_FACTOR'] ??= '60';
await import('../faults/lifetime.test.js');

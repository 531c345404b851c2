// SPDX-License-Identifier: Apache-2.0
// Sandbox: what a process gives up before it looks at a file of strangers. Once given up, nothing
// comes back. Threads: one, before any other is started.
#pragma once

namespace vexfs {

// At start: no new privileges, no root (nobody instead), no core files; the end of the daemon is
// the end of it. False: it must not go on.
bool drop_privileges();

// In the child that reads one file: CPU, memory and size of what it writes are bounded; it may
// read below /usr (tables of character sets and fonts), and beyond that neither open, connect,
// start nor signal anything. False: it must not go on.
bool lock_up();

}  // namespace vexfs

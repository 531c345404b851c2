// SPDX-License-Identifier: Apache-2.0
// Wait: may this call sleep for a device? The thread that received a request asks with
// `never` first; EAGAIN then means: nothing has changed, ask again on a worker.
#pragma once

namespace vexfs {

enum class Wait : bool { never, allowed };

}  // namespace vexfs

// SPDX-License-Identifier: Apache-2.0
// Opening an image, with trouble in words for what the volume says in errnos.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "src/trouble.h"
#include "storage/block_device.h"
#include "storage/volume.h"

namespace vexfs {

// What an error of storage/ means for this image.
Trouble volume_trouble(const std::string& image, const Error& error);

// Waits up to 30 s for a lock that is being let go (a daemon that is still writing back after
// umount); an image that is mounted is refused at once. `note` gets a line when it has to wait.
Outcome<std::unique_ptr<Volume>> open_volume(const std::string& image, const VolumeOptions& options,
                                             std::move_only_function<void(std::string_view)> note);

// Returns when no process holds the image any more (or it is gone).
// `seconds_max` passed: trouble.
Outcome<> wait_until_released(const std::string& image, unsigned seconds_max);

}  // namespace vexfs

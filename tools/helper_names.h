// SPDX-License-Identifier: Apache-2.0
// The names under which mkfs(8) and mount(8) call this program, and their words.
#pragma once
#include <string>
#include <vector>

namespace vexfs {

// The words after the program's name, as `vexfs` takes them. mount(8) calls
//   mount.vexfs IMAGE DIR [-sfnv] [-N NS] [-o OPTIONS] [-t TYPE]
// where -f means "only pretend" and -s, -n, -v nothing here.
std::vector<std::string> words_of_helper(std::vector<std::string> arguments);

}  // namespace vexfs

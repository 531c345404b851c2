// SPDX-License-Identifier: Apache-2.0
// Result<T>: the one way a function reports that the world said no.
#pragma once
#include <cerrno>
#include <expected>
#include <utility>

namespace vexfs {

struct [[nodiscard]] Error {
  int code = EIO;         // errno value, what the kernel will be answered
  const char* what = "";  // static text "area: what", never formatted
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(int code, const char* what) {
  return std::unexpected(Error{.code = code, .what = what});
}

}  // namespace vexfs

// VEXFS_TRY(T value, expr): declares value, or passes the error on.
#define VEXFS_TRY_(tmp, decl, expr)                         \
  auto tmp = (expr);                                        \
  if (!tmp) return std::unexpected(std::move(tmp).error()); \
  decl = std::move(*tmp)
#define VEXFS_CAT_(a, b) a##b
#define VEXFS_CAT(a, b) VEXFS_CAT_(a, b)
#define VEXFS_TRY(decl, expr) VEXFS_TRY_(VEXFS_CAT(try_, __LINE__), decl, expr)
// VEXFS_CHECK(expr): passes the error of a Result<> on.
#define VEXFS_CHECK(expr) \
  if (auto try_ = (expr); !try_) return std::unexpected(std::move(try_).error())

// SPDX-License-Identifier: Apache-2.0
#include "search/basis.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/assert.h"
#include "base/endian.h"

namespace vexfs {

namespace {

constexpr std::uint32_t kBasisMagic = 0x53425856;  // "VXBS"

struct BasisHeader {   //  offset
  le32 magic;          //   0
  le32 terms_version;  //   4  kTermsVersion: other terms mean other rows
  le32 documents;      //   8
  le32 dimension;      //  12
  le32 terms;          //  16
  le32 weight_median;  //  20  bits of a float32
};
static_assert(sizeof(BasisHeader) == 24 && alignof(BasisHeader) == 1);

struct BasisTerm {  //  offset
  le64 id;          //   0  ascending
  le32 documents;   //   8
  le32 scale;       //  12  bits of a float32
};
static_assert(sizeof(BasisTerm) == 16 && alignof(BasisTerm) == 1);
// Then `dimension` signed bytes for each term.

}  // namespace

const Basis::TermRow* Basis::find(TermId id) const {
  const auto found = std::ranges::lower_bound(parts_.terms, id, {}, &TermRow::id);
  return found != parts_.terms.end() && found->id == id ? &*found : nullptr;
}

float Basis::inverse_frequency(TermId id) const {
  const TermRow* term = find(id);
  return vexfs::inverse_frequency(parts_.documents, term ? term->documents : 0);
}

float Basis::project(const TermBag& terms, std::span<float> into) const {
  VEXFS_ASSERT(into.size() == parts_.dimension);
  std::ranges::fill(into, 0.0F);
  double squared = 0;
  for (const Term& term : terms.terms) {
    if (term.kind != TermKind::stem) continue;
    const TermRow* row = find(term.id);
    const float weight = (1 + std::log(static_cast<float>(term.count))) *
                         vexfs::inverse_frequency(parts_.documents, row ? row->documents : 0);
    squared += double{weight} * double{weight};
    if (row == nullptr) continue;
    const float scaled = weight * row->scale;
    const std::int8_t* const values =
        parts_.values.data() +
        std::size_t{parts_.dimension} * static_cast<std::size_t>(row - parts_.terms.data());
    for (std::size_t i = 0; i < into.size(); ++i) into[i] += scaled * static_cast<float>(values[i]);
  }
  return static_cast<float>(std::sqrt(squared));
}

std::string Basis::save() const {
  const BasisHeader header{.magic = kBasisMagic,
                           .terms_version = kTermsVersion,
                           .documents = parts_.documents,
                           .dimension = parts_.dimension,
                           .terms = static_cast<std::uint32_t>(parts_.terms.size()),
                           .weight_median = std::bit_cast<std::uint32_t>(parts_.weight_median)};
  std::string saved(as_text(bytes_of(header)));
  for (const TermRow& term : parts_.terms)
    saved += as_text(bytes_of(BasisTerm{.id = term.id,
                                        .documents = term.documents,
                                        .scale = std::bit_cast<std::uint32_t>(term.scale)}));
  return saved += as_text(std::as_bytes(std::span(parts_.values)));
}

Result<Basis> Basis::load(Bytes saved) {
  BasisHeader header;
  if (saved.size() < sizeof header) return fail(EUCLEAN, "basis: short");
  std::memcpy(&header, saved.data(), sizeof header);
  Parts parts{.documents = header.documents,
              .dimension = header.dimension,
              .weight_median = std::bit_cast<float>(std::uint32_t{header.weight_median})};
  if (header.magic != kBasisMagic || header.terms_version != kTermsVersion ||
      parts.dimension == 0 || parts.dimension > kBasisDimensionMax || header.terms == 0 ||
      header.terms > kBasisTermsMax || !(parts.weight_median > 0) ||
      !std::isfinite(parts.weight_median))
    return fail(EUCLEAN, "basis: its header does not check");
  const std::size_t values = std::size_t{header.terms} * parts.dimension;
  if (saved.size() != sizeof header + std::size_t{header.terms} * sizeof(BasisTerm) + values)
    return fail(EUCLEAN, "basis: of another size than it says");
  saved = saved.subspan(sizeof header);
  for (std::uint32_t i = 0; i < header.terms; ++i) {
    BasisTerm term;
    std::memcpy(&term, saved.data() + i * sizeof term, sizeof term);
    const TermRow row{.id = term.id,
                      .documents = term.documents,
                      .scale = std::bit_cast<float>(std::uint32_t{term.scale})};
    if ((i > 0 && row.id <= parts.terms.back().id) || !std::isfinite(row.scale))
      return fail(EUCLEAN, "basis: a term does not check");
    parts.terms.push_back(row);
  }
  parts.values.resize(values);
  std::memcpy(parts.values.data(), saved.data() + header.terms * sizeof(BasisTerm), values);
  return Basis(std::move(parts));
}

}  // namespace vexfs

/// Reading an event's number from its data without reading the rest.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace omnibus::bench {

/// The unsigned number behind the first `"seq":` of a JSON text, if there is one that an OrderCheck can count (below
/// 2^32 - 1). As little work as tells the order: nothing else of the text is looked at.
inline std::optional<std::uint32_t> sequence_of(std::string_view data) {
  constexpr std::string_view name = "\"seq\"";
  auto const found = data.find(name);
  if (found == std::string_view::npos) return std::nullopt;
  auto at = data.data() + found + name.size();
  auto const end = data.data() + data.size();
  while (at != end && (*at == ' ' || *at == ':')) ++at;
  std::uint32_t number = 0;
  if (std::from_chars(at, end, number).ec != std::errc{} || number == UINT32_MAX) return std::nullopt;
  return number;
}

}  // namespace omnibus::bench

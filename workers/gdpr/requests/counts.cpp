#include "workers/gdpr/requests/counts.hpp"

#include "json/encode.hpp"

#include <cstdint>
#include <map>

namespace omnibus::gdpr {

std::string counts_json(std::vector<GdprCount> const& counts) {
  std::map<std::string, std::int64_t> sums;
  for (auto const& count : counts) sums[count.name] += count.count;
  std::string out = "{";
  for (auto const& [name, sum] : sums) {
    if (out.size() > 1) out += ',';
    json::append_string(out, name);
    out.append(":").append(std::to_string(sum));
  }
  return out += '}';
}

}  // namespace omnibus::gdpr

/// The names of time zones that a person may have.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace pqxx {
class transaction_base;
}

namespace omnibus::matches {

/// Names that PostgreSQL's pg_timezone_names has, as written there. AT TIME ZONE takes much else, such as `PST`, `+03`
/// or `FOO-7`, and so do other programs with other meanings. Not among them are the names of a machine's own zone and
/// those that name a zone with another reckoning: `localtime`, `posixrules`, `Factory`, `posix/...`, `right/...`.
class TimeZones {
 public:
  using Names = std::set<std::string, std::less<>>;

  /// Without any; or with these, for tests.
  explicit TimeZones(Names names = {}) : names_{std::move(names)} {}
  /// Reads them all, which takes PostgreSQL some milliseconds. @throws what libpqxx throws
  explicit TimeZones(pqxx::transaction_base& transaction);

  bool contains(std::string_view name) const { return names_.contains(name); }

 private:
  Names names_;
};

}  // namespace omnibus::matches

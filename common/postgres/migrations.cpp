#include "postgres/migrations.hpp"

#include "hash/hash.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include <pqxx/pqxx>

namespace omnibus::postgres {
namespace {

/// Of all migrators everywhere: the first eight bytes of "omnibusm".
constexpr std::string_view lock_key = "8029188632470025069";

/// Holds the advisory lock of the database for as long as it lives. It polls: a session that waits inside
/// pg_advisory_lock() holds a snapshot, which CREATE INDEX CONCURRENTLY of the one before it would wait for.
class MigrationLock {
 public:
  explicit MigrationLock(pqxx::connection& connection) : connection_(connection) {
    while (!ask("pg_try_advisory_lock")) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  MigrationLock(MigrationLock const&) = delete;
  MigrationLock& operator=(MigrationLock const&) = delete;
  ~MigrationLock() {
    try {
      ask("pg_advisory_unlock");
    } catch (std::exception const&) {
      // The connection is gone, and the lock with it.
    }
  }

 private:
  bool ask(std::string_view function) {
    pqxx::nontransaction query{connection_};
    return query.exec("SELECT " + std::string{function} + '(' + std::string{lock_key} + ')').one_field().as<bool>();
  }

  pqxx::connection& connection_;
};

/// The line of a statement that an error message of libpq points at ("LINE 3: ..."), else its first.
std::size_t line_of(SqlStatement const& statement, std::string_view message) {
  auto const mark = message.find("\nLINE ");
  if (mark == std::string_view::npos) return statement.line;
  std::size_t line = 0;
  for (auto i = mark + 6; i < message.size() && message[i] >= '0' && message[i] <= '9'; ++i) {
    line = line * 10 + static_cast<std::size_t>(message[i] - '0');
  }
  return line == 0 ? statement.line : statement.line + line - 1;
}

void execute(pqxx::transaction_base& transaction, std::string const& file, MigrationBlock const& block) {
  for (std::size_t i = 0; i < block.statements.size(); ++i) {
    auto const& statement = block.statements[i];
    try {
      transaction.exec(statement.text);
    } catch (pqxx::sql_error const& error) {
      std::string message = error.what();
      auto const line = line_of(statement, message);
      while (message.ends_with('\n')) message.pop_back();
      std::string const done = block.in_transaction
                                   ? "nothing of this file was applied"
                                   : std::to_string(i) + " statements before it were applied (transaction:false)";
      // NOLINTNEXTLINE(performance-inefficient-string-concatenation): the loop ends here
      throw MigrationError(file + ':' + std::to_string(line) + ": " + message + "; " + done);
    }
  }
}

/// Runs a block and its book-keeping, in one transaction where the block allows it.
void apply(pqxx::connection& connection, std::string const& file, MigrationBlock const& block,
           std::function<void(pqxx::transaction_base&)> const& record) {
  if (block.in_transaction) {
    pqxx::work transaction{connection};
    execute(transaction, file, block);
    record(transaction);
    transaction.commit();
    return;
  }
  {
    pqxx::nontransaction session{connection};
    execute(session, file, block);
  }
  pqxx::work transaction{connection};
  record(transaction);
  transaction.commit();
}

struct Marker {
  bool up = false;
  bool in_transaction = true;
};

/// The meaning of `-- migrate:up [transaction:false]` and `-- migrate:down`; nothing for any other line.
std::optional<Marker> marker_of(std::string_view line) {
  if (!line.starts_with("--")) return std::nullopt;
  auto const word = line.find_first_not_of(" \t", 2);
  if (word == std::string_view::npos) return std::nullopt;
  line.remove_prefix(word);
  auto const is = [line](std::string_view name) {
    return line.starts_with(name) &&
           (line.size() == name.size() || line.find_first_of(" \t\r", name.size()) == name.size());
  };
  if (!is("migrate:up") && !is("migrate:down")) return std::nullopt;
  return Marker{is("migrate:up"), line.find("transaction:false") == std::string_view::npos};
}

}  // namespace

Migration parse_migration(std::string file, std::string_view text) {
  Migration migration;
  auto const digits = std::find_if(file.begin(), file.end(), [](char c) { return c < '0' || c > '9'; });
  migration.version.assign(file.begin(), digits);
  migration.sha256 = to_hex(sha256(text));

  struct Section {
    Marker marker;
    std::size_t begin = 0, end = 0, line = 0;
  };
  std::vector<Section> sections;
  std::size_t line_number = 0;
  auto preamble = text.size();
  for (std::size_t at = 0; at < text.size();) {
    ++line_number;
    auto const end = std::min(text.find('\n', at), text.size());
    if (auto const marker = marker_of(text.substr(at, end - at))) {
      if (sections.empty()) preamble = at;
      if (!sections.empty()) sections.back().end = at;
      sections.push_back({*marker, std::min(end + 1, text.size()), text.size(), line_number + 1});
    }
    at = end + 1;
  }

  auto const outside = split_sql(text.substr(0, preamble));
  if (!outside.empty()) {
    throw MigrationError(file + ':' + std::to_string(outside[0].line) +
                         ": a statement outside of -- migrate:up and down");
  }
  bool seen[2] = {false, false};
  for (auto const& section : sections) {
    if (std::exchange(seen[section.marker.up ? 1 : 0], true)) {
      // NOLINTNEXTLINE(performance-inefficient-string-concatenation): the loop ends here
      throw MigrationError(file + ':' + std::to_string(section.line - 1) + ": a second block of the same direction");
    }
    auto& block = section.marker.up ? migration.up : migration.down;
    block.statements = split_sql(text.substr(section.begin, section.end - section.begin), section.line);
    block.in_transaction = section.marker.in_transaction;
  }
  if (!seen[1]) throw MigrationError(file + ": has no -- migrate:up");
  migration.file = std::move(file);
  return migration;
}

std::vector<Migration> load_migrations(std::filesystem::path const& folder) {
  std::error_code missing;
  std::filesystem::directory_iterator entries{folder, missing};
  if (missing) throw MigrationError("cannot read " + folder.string() + " (" + missing.message() + "): set --dir");
  std::vector<Migration> migrations;
  for (auto const& entry : entries) {
    auto const name = entry.path().filename().string();
    if (name.empty() || name[0] < '0' || name[0] > '9' || !name.ends_with(".sql")) continue;
    std::ifstream in{entry.path(), std::ios::binary};
    std::string const text{std::istreambuf_iterator<char>{in}, {}};
    if (!in) throw MigrationError("cannot read " + entry.path().string());
    migrations.push_back(parse_migration(name, text));
  }
  std::sort(migrations.begin(), migrations.end(), [](auto const& a, auto const& b) { return a.file < b.file; });
  auto const twin = std::adjacent_find(migrations.begin(), migrations.end(),
                                       [](auto const& a, auto const& b) { return a.version == b.version; });
  if (twin != migrations.end())
    throw MigrationError(twin->file + " and " + std::next(twin)->file + " have the same version");
  return migrations;
}

std::filesystem::path default_migrations_folder() {
  std::error_code error;
  if (std::filesystem::is_directory("migrations", error)) return "migrations";
  return OMNIBUS_MIGRATIONS_FOLDER;
}

Migrator::Migrator(pqxx::connection& connection, std::vector<Migration> migrations,
                   std::function<void(std::string_view file)> report)
    : connection_(connection), migrations_(std::move(migrations)), report_(std::move(report)) {}

Migration const* Migrator::find(std::string_view version) const {
  auto const found = std::find_if(migrations_.begin(), migrations_.end(),
                                  [version](auto const& migration) { return migration.version == version; });
  return found == migrations_.end() ? nullptr : &*found;
}

std::vector<MigrationStatus> Migrator::read_status() {
  pqxx::work transaction{connection_};
  auto const exists = [&transaction](std::string const& table) {
    return transaction.exec("SELECT to_regclass($1) IS NOT NULL", pqxx::params{table}).one_field().as<bool>();
  };
  std::map<std::string, MigrationStatus> all;
  for (auto const& migration : migrations_) {
    all[migration.version] = {migration.version, migration.file, MigrationState::pending};
  }
  if (exists("public.schema_migrations")) {
    for (auto const& [version] : transaction.query<std::string>("SELECT version FROM public.schema_migrations")) {
      auto& entry = all[version];
      entry.version = version;
      entry.state = entry.file.empty() ? MigrationState::missing : MigrationState::applied;
    }
  }
  if (exists("public.schema_migration_checksums")) {
    for (auto const& [version, sha256] :
         transaction.query<std::string, std::string>("SELECT version, sha256 FROM public.schema_migration_checksums")) {
      auto const* migration = find(version);
      if (migration == nullptr || migration->sha256 == sha256) continue;
      auto& entry = all[version];
      // dbmate may have rolled it back without telling us: then the file is free to change.
      if (entry.state == MigrationState::applied) entry.state = MigrationState::changed;
    }
  }
  std::vector<MigrationStatus> result;
  result.reserve(all.size());
  for (auto& [version, entry] : all) result.push_back(std::move(entry));
  return result;
}

void Migrator::refuse_changed(std::vector<MigrationStatus> const& status) const {
  for (auto const& entry : status) {
    if (entry.state != MigrationState::changed) continue;
    throw MigrationError(entry.file +
                         " was changed after it had been applied: restore it, and put the change into a new migration");
  }
}

std::size_t Migrator::up() {
  MigrationLock const lock{connection_};
  {
    pqxx::work transaction{connection_};
    transaction.exec("SET LOCAL client_min_messages = warning");
    transaction.exec(
        "CREATE TABLE IF NOT EXISTS public.schema_migrations (version character varying(128) NOT NULL PRIMARY KEY)");
    transaction.exec(
        "CREATE TABLE IF NOT EXISTS public.schema_migration_checksums (version text PRIMARY KEY, sha256 text NOT NULL, "
        "applied_at timestamptz NOT NULL DEFAULT now())");
    transaction.commit();
  }
  auto const status = read_status();
  refuse_changed(status);
  std::string const remember =
      "INSERT INTO public.schema_migration_checksums (version, sha256) VALUES ($1, $2) ON CONFLICT (version) DO ";
  std::size_t applied = 0;
  for (auto const& entry : status) {
    auto const* migration = find(entry.version);
    if (entry.state == MigrationState::applied) {  // perhaps by dbmate, which keeps no checksums
      pqxx::nontransaction{connection_}.exec(remember + "NOTHING", pqxx::params{migration->version, migration->sha256});
    }
    if (entry.state != MigrationState::pending) continue;
    apply(connection_, migration->file, migration->up, [&](pqxx::transaction_base& transaction) {
      transaction.exec("INSERT INTO public.schema_migrations (version) VALUES ($1)", pqxx::params{migration->version});
      transaction.exec(remember + "UPDATE SET sha256 = excluded.sha256, applied_at = now()",
                       pqxx::params{migration->version, migration->sha256});
    });
    ++applied;
    if (report_) report_(migration->file);
  }
  return applied;
}

std::size_t Migrator::down(std::size_t count) {
  MigrationLock const lock{connection_};
  auto status = read_status();
  refuse_changed(status);
  std::erase_if(status, [](auto const& entry) { return entry.state == MigrationState::pending; });
  std::size_t undone = 0;
  for (auto entry = status.rbegin(); entry != status.rend() && undone < count; ++entry, ++undone) {
    auto const* migration = find(entry->version);
    if (migration == nullptr)
      throw MigrationError("version " + entry->version + " is applied, but has no file to undo it");
    apply(connection_, migration->file, migration->down, [&](pqxx::transaction_base& transaction) {
      transaction.exec("DELETE FROM public.schema_migrations WHERE version = $1", pqxx::params{migration->version});
      transaction.exec("DELETE FROM public.schema_migration_checksums WHERE version = $1",
                       pqxx::params{migration->version});
    });
    if (report_) report_(migration->file);
  }
  return undone;
}

std::vector<MigrationStatus> Migrator::status() {
  return read_status();
}

}  // namespace omnibus::postgres

/// The data of the report worker.
#pragma once

#include "events/report.hpp"
#include "handler/context.hpp"
#include "handler/failure.hpp"
#include "processing/processing_log.hpp"
#include "uuid/uuid.hpp"
#include "workers/report/content.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace pqxx {
class connection;
class transaction_base;
}  // namespace pqxx

namespace omnibus::report {

/// A person whose report of the day is due.
struct DuePerson {
  std::string domain;
  Uuid user_id{};
  std::string report_date;  ///< in the person's own time
};
BOOST_DESCRIBE_STRUCT(DuePerson, (), (domain, user_id, report_date))

/// When reports are due.
struct DueTime {
  std::int64_t now_ms = 0;       ///< since 1970
  std::int32_t report_hour = 7;  ///< of a person's own time
};

/// The person of a report that was asked for.
struct ReportPerson {
  std::string domain;
  bool may_get_reports = false;  ///< is approved, and of an active tenant
  std::string report_date;
  bool has_report = false;  ///< of this date
  bool is_future = false;   ///< the date has not begun in the person's own time
  ReportContent content;    ///< what no report of the person holds yet
};

/// A report that was made.
struct NewReport {
  Uuid id{};
  std::string domain;
  Uuid user_id{};
  std::string date;
  std::string text, html;
  std::vector<Uuid> outcomes;
};

/// A report on its way to its person.
struct ReportMail {
  std::string domain;
  Uuid user_id{};
  std::string handle, report_date, text, html;
  std::optional<std::string> email;        ///< missing when the person wants none, or may get none
  std::optional<std::string> send_state;   ///< missing: not sent
  std::optional<std::int64_t> claimed_ms;  ///< when sending began, since 1970
};
BOOST_DESCRIBE_STRUCT(ReportMail, (), (domain, user_id, handle, report_date, text, html, email, send_state, claimed_ms))

/// Reads people and outcomes and writes reports. Use it on the event loop; functions with a unit of work run on a
/// thread of the pool.
class ReportStore {
 public:
  virtual ~ReportStore() = default;

  /// Of the people in the `part`th of `due_parts` parts those whose report is due: it is `report_hour` or later in
  /// their own time, they have none of this date, and an outcome was scored before that hour that none of theirs holds.
  virtual std::vector<DuePerson> find_due(UnitOfWork& unit, DueTime time, std::int32_t part) = 0;
  static constexpr std::int32_t due_parts = 16;

  /// How many people have a time zone that PostgreSQL does not know any more; theirs counts as UTC.
  virtual Task<std::int64_t> count_unknown_zones(Context& context) = 0;

  /// The person with what is new for the report; nothing when there is no such person. Without a date it is today's.
  /// A report that somebody asked for holds all outcomes up to the end of its day, another one those before its hour.
  virtual Task<std::optional<ReportPerson>> read(Context& context, ReportRequested const& request, DueTime time) = 0;

  /// Stores a report and marks its outcomes. @return false when the person has one of that date: nothing is written.
  virtual bool add(UnitOfWork& unit, NewReport const& report) = 0;

  /// A report with its person's address; nothing when it was erased.
  virtual Task<std::optional<ReportMail>> read_mail(Context& context, Uuid const& report) = 0;

  /// Claims the sending of a report. @return false when it was claimed or has ended: then it must not be sent.
  virtual bool claim(UnitOfWork& unit, Uuid const& report, std::string const& message_id) = 0;

  /// Ends an attempt at a report that is claimed. @param state sent, in_doubt, refused or failed; missing: it may be
  /// claimed again.
  virtual void settle(UnitOfWork& unit, Uuid const& report, std::optional<std::string> const& state,
                      std::string const& detail) = 0;

  /// Stores the rating of a report, unless a later one is stored. @param time_ms of the event, since 1970. @return
  /// false when the person has no such report.
  virtual bool rate(UnitOfWork& unit, ReportRated const& rated, std::int64_t time_ms) = 0;

  /// The row of the processing log, see processing/processing_log.hpp.
  virtual void log_end(UnitOfWork& unit, Context& context, processing::LoggedWork const& work) = 0;
  virtual void log_failure(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                           Failure const& failure) = 0;
};

/// The same in PostgreSQL: all SQL of the report worker.
class PostgresReports final : public ReportStore {
 public:
  std::vector<DuePerson> find_due(UnitOfWork& unit, DueTime time, std::int32_t part) override;
  Task<std::int64_t> count_unknown_zones(Context& context) override;
  Task<std::optional<ReportPerson>> read(Context& context, ReportRequested const& request, DueTime time) override;
  bool add(UnitOfWork& unit, NewReport const& report) override;
  Task<std::optional<ReportMail>> read_mail(Context& context, Uuid const& report) override;
  bool claim(UnitOfWork& unit, Uuid const& report, std::string const& message_id) override;
  void settle(UnitOfWork& unit, Uuid const& report, std::optional<std::string> const& state,
              std::string const& detail) override;
  bool rate(UnitOfWork& unit, ReportRated const& rated, std::int64_t time_ms) override;
  void log_end(UnitOfWork& unit, Context& context, processing::LoggedWork const& work) override;
  void log_failure(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                   Failure const& failure) override;

  /// read() over a connection. @throws Failure (permanent) when the stored content cannot be read.
  static std::optional<ReportPerson> read_over(pqxx::connection& connection, ReportRequested const& request,
                                               DueTime time);
  /// read_mail() over a connection.
  static std::optional<ReportMail> read_mail_over(pqxx::connection& connection, Uuid const& report);
};

}  // namespace omnibus::report

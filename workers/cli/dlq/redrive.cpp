#include "workers/cli/dlq/redrive.hpp"

#include "faults/failpoint.hpp"
#include "kafka/topics.hpp"
#include "postgres/outbox_publishing.hpp"
#include "postgres/parked_records.hpp"

#include <algorithm>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

constexpr std::size_t largest_batch = 100;
constexpr std::string_view not_kept =
    "cannot be sent: it was too large for its topic, and pipeline.parked_records does not have its record any more";
constexpr std::string_view outbox_consumer = "omnibus dlq";  // not a worker's name: no worker takes its rows over
constexpr std::chrono::seconds longest_delivery{40};         // beyond the producer's own limit

std::string place_of(engine::DeadLetter const& letter) {
  return fmt::format("{}/{}", letter.partition, letter.offset);
}

/// The key of the order; nothing for a letter without key.
std::optional<std::size_t> lane_of(engine::DeadLetter const& letter) {
  if (!letter.original.key) return std::nullopt;
  return std::hash<std::string>{}(letter.worker + '\0' + *letter.original.key);
}

std::int64_t limit_of(std::string const& letters_topic) {
  auto const& catalog = kafka::TopicCatalog::built_in();
  for (auto const& topic : catalog.topics())
    if (kafka::dead_letter_topic(topic.name) == letters_topic) return topic.max_message_bytes();
  return kafka::TopicSpec{}.max_message_bytes();
}

}  // namespace

std::optional<std::string> KeyOrder::waits_for(engine::DeadLetter const& letter) const {
  auto const lane = lane_of(letter);
  if (!lane) return std::nullopt;
  auto const found = held_.find(*lane);
  return found == held_.end() ? std::nullopt : std::optional{found->second};
}

void KeyOrder::hold(engine::DeadLetter const& letter) {
  if (auto const lane = lane_of(letter)) held_.emplace(*lane, place_of(letter));
}

Redrive::Redrive(RedrivePorts ports, RedriveSettings settings)
    : ports_{std::move(ports)},
      settings_{std::move(settings)},
      max_record_bytes_{limit_of(settings_.topic)},
      batch_size_{settings_.rate > 0
                      ? std::clamp<std::size_t>(static_cast<std::size_t>(settings_.rate), 1, largest_batch)
                      : largest_batch},
      next_{std::chrono::steady_clock::now()} {}

RedriveReport Redrive::run() {
  auto const marks = ports_.admin.watermarks(settings_.topic);
  done_ = postgres::letter_actions(ports_.database, settings_.topic);  // later actions are found by the compare-and-set
  for (std::size_t partition = 0; partition < marks.size() && !at_limit(); ++partition) {
    auto const number = static_cast<std::int32_t>(partition);
    if (settings_.selection.partitions.holds(number)) run_partition(number, marks[partition]);
  }
  return report_;
}

void Redrive::run_partition(std::int32_t partition, kafka::Watermarks marks) {
  std::optional<postgres::PartitionTurn> turn;
  if (ports_.producer != nullptr) {
    turn.emplace(ports_.database, settings_.topic, partition);
    publish(partition, &report_.left_over);  // the rows of a redrive that was killed
  }
  KeyOrder order;
  ports_.reader.read({settings_.topic, partition}, marks.low, marks.high, [&](rd_kafka_message_t const& message) {
    if (at_limit()) return false;
    consider(engine::read_dead_letter(message), order);
    return true;
  });
  flush();
}

void Redrive::consider(engine::DeadLetter letter, KeyOrder& order) {
  auto const selected = settings_.selection.holds(letter);
  if (done_.contains(letter.id)) {
    if (selected) ++report_.taken;
    return;
  }
  if (settings_.action == postgres::LetterAction::redriven) {
    if (!selected) return order.hold(letter);
    if (auto const earlier = order.waits_for(letter); earlier && !settings_.skip_order) {
      ++report_.waiting;
      ports_.tell(letter, fmt::format("waits for {} of its key, which stays behind: redrive or drop that first, or "
                                      "give --skip-order",
                                      *earlier));
      return;
    }
    auto const loaded = load(letter);
    if (auto const problem = loaded ? problem_with(letter) : std::string{not_kept}; !problem.empty()) {
      ++report_.refused;
      order.hold(letter);
      ports_.tell(letter, problem);
      return;
    }
  } else if (!selected) {
    return;
  }
  if (settings_.dry_run) {
    ++report_.acted;
    ports_.tell(letter,
                settings_.action == postgres::LetterAction::redriven ? "would be redriven" : "would be dropped");
    return;
  }
  auto const lane = lane_of(letter);
  if (lane && std::ranges::any_of(batch_, [&](auto const& each) { return lane_of(each) == lane; })) flush();
  auto const large = letter.truncated > 0;
  batch_.push_back(std::move(letter));
  if (large || batch_.size() >= batch_size_) flush();
}

/// The record of a truncated letter. @return false when it is gone
bool Redrive::load(engine::DeadLetter& letter) {
  if (letter.truncated == 0) return true;
  pqxx::nontransaction query{ports_.database};
  auto original = postgres::parked_record(query, letter.id);
  if (original) engine::restore(letter, *std::move(original));
  return original.has_value();
}

std::string Redrive::problem_with(engine::DeadLetter const& letter) const {
  if (letter.worker.empty())
    return "cannot be sent: it does not say whose letter it is (no error.worker, and error.group is not omnibus-NAME), "
           "so that worker's inbox would refuse it";
  auto const record = engine::redriven(letter);
  auto const bytes = static_cast<std::int64_t>(kafka::batch_bytes(record));
  // Of a truncated letter the broker decides, by the compressed size.
  auto const most =
      letter.truncated > 0 ? static_cast<std::int64_t>(postgres::largest_stored_record.bytes) : max_record_bytes_;
  if (bytes > most)
    return fmt::format(
        "cannot be sent: with the headers of a redrive it has {} bytes, and max.message.bytes of "
        "{} is {}",
        bytes, record.topic, most);
  if (postgres::is_refused(ports_.database, engine::about(letter)))
    return "is about somebody who was erased: drop it, or wait until their erasure has ended";
  if (letter.event && !engine::envelope_of(record))
    return "cannot be sent: with the headers of a redrive it has more headers than an event may have";
  return {};
}

void Redrive::flush() {
  if (batch_.empty()) return;
  pace(batch_.size());
  auto const partition = batch_.front().partition;
  std::size_t taken = 0;
  std::unordered_map<std::int64_t, engine::DeadLetter const*> letters;
  {
    pqxx::work transaction{ports_.database};
    std::vector<OutboxRow> rows;
    auto id = ports_.producer == nullptr
                  ? std::int64_t{0}
                  : transaction.query_value<std::int64_t>("SELECT nextval('pipeline.outbox_id')");
    for (auto const& letter : batch_) {
      postgres::LetterKey const key{letter.id,     settings_.topic,  letter.partition,     letter.offset,
                                    letter.worker, letter.event_key, engine::about(letter)};
      auto const mine = postgres::take_letter(transaction, key, settings_.action, settings_.actor);
      if (!mine && !OMNIBUS_MUTATED("redrive_cas")) continue;  // another operator has it
      ++taken;
      if (ports_.producer == nullptr) continue;
      letters.emplace(id, &letter);
      rows.push_back({id++, engine::redriven(letter)});
      if (letter.truncated > 0) postgres::remove_parked(transaction, letter.id);
    }
    if (!rows.empty())
      transaction.exec(
          postgres::outbox_insert(ports_.database, {std::string{outbox_consumer}, settings_.topic, partition}, rows));
    transaction.commit();
  }
  report_.acted += taken;
  report_.taken += batch_.size() - taken;
  for (auto const& letter : batch_) done_.emplace(letter.id, settings_.action);
  if (ports_.producer != nullptr && taken > 0) {
    for (auto const& row : publish(partition, nullptr)) {
      --report_.acted;
      ++report_.refused;
      if (auto const found = letters.find(row.id); found != letters.end())
        ports_.tell(*found->second, fmt::format("was taken, and the broker refuses it: {}. Mend the cause, then "
                                                "omnibus dlq redrive --refused --row {}",
                                                row.reason, row.id));
    }
  }
  batch_.clear();
  if (ports_.progress) ports_.progress(report_.acted);
}

void Redrive::pace(std::size_t count) {
  if (settings_.rate <= 0) return;
  std::this_thread::sleep_until(next_);
  next_ = std::max(next_, std::chrono::steady_clock::now()) +
          std::chrono::duration_cast<std::chrono::steady_clock::duration>(
              std::chrono::duration<double>{static_cast<double>(count) / settings_.rate});
}

std::vector<postgres::RefusedRow> Redrive::publish(std::int32_t partition, std::size_t* published) {
  pqxx::work transaction{ports_.database};
  // Locked until the broker has acknowledged them, so that the relay does not publish them as well.
  auto const rows = postgres::lock_unpublished(transaction, {std::string{outbox_consumer}, settings_.topic, partition},
                                               10 * largest_batch);
  if (rows.empty()) return {};
  postgres::RowPublisher publisher{*ports_.producer};
  publisher.publish(rows, longest_delivery);
  auto answers = publisher.take_answers();
  postgres::remove_published(transaction, answers.acknowledged);
  postgres::refuse_rows(transaction, answers.refused);
  transaction.commit();
  if (published != nullptr) *published += answers.acknowledged.size();
  if (auto const left = rows.size() - answers.acknowledged.size() - answers.refused.size(); left > 0)
    throw std::runtime_error(
        fmt::format("{} taken letters are not published yet: {}. They are in the outbox, where the relay and the next "
                    "redrive of {} find them. Check KAFKA_BROKERS",
                    left, answers.failure.empty() ? "no answer" : answers.failure, settings_.topic));
  return std::move(answers.refused);
}

}  // namespace omnibus::cli

/// People and their dialogues in memory.
#pragma once

#include "handler/failure.hpp"
#include "workers/sms/store.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace omnibus::sms::test {

/// What is stored. A plain value, so that a FakeContext can put it back when a commit fails.
struct Dialogues {
  struct Person {
    sessions::Profile profile;
    std::optional<sessions::Session> session;
  };
  /// A message, inbound or outbound. Erasing a person erases his messages; deleting a session clears theirs.
  struct Line {
    Uuid key;  ///< of the event that brought it, or of the request to send it
    std::string person;
    std::optional<Uuid> session;
    bool ours = false;
    std::string kind;
    std::string channel;
    std::string text;
  };
  std::map<std::string, Person> people;  ///< by phone number, or WhatsApp user id
  std::vector<Line> log;                 ///< oldest first
  std::set<std::string> tenants{"shop.example"};
  std::set<std::pair<std::string, std::string>> suppressed;  ///< channel and subject key
  std::vector<double> expired;                               ///< the ages of other people's sessions that have expired

  void erase_person(std::string const& who) {
    people.erase(who);
    std::erase_if(log, [&](Line const& line) { return line.person == who; });
  }
  void delete_session(std::string const& who) {
    people.at(who).session.reset();
    for (auto& line : log)
      if (line.person == who) line.session.reset();
  }
};

/// A store over them. A merged context is the patch that was merged last.
class FakeDialogues final : public DialogueStore {
 public:
  /// What the test changes while the handler runs.
  struct Script {
    std::set<std::string> refuses;  ///< bodies of notifications that the database refuses
  };

  FakeDialogues(Dialogues& stored, Script const& script) : stored_{stored}, script_{script} {}

  Dialogue receive(UnitOfWork&, Uuid const& event_key, Inbound const& said) override {
    if (!stored_.tenants.contains(said.domain)) throw Failure::permanent("domain is no tenant", "unknown_tenant");
    auto const who = who_of(said);
    auto const known = stored_.people.contains(who);
    auto& person = stored_.people[who];
    if (!known) person.profile.id = random_uuid();
    auto const& session = open(person);
    if (find(event_key) == stored_.log.end())
      stored_.log.push_back({event_key, who, session.id, false, said.kind, channel_of(said.channel), said.text});
    return {person.profile, session, {}, 0};
  }
  std::optional<Dialogue> receive_if_known(UnitOfWork& unit, Uuid const& event_key, Inbound const& said) override {
    if (!stored_.people.contains(who_of(said))) return std::nullopt;
    auto const line = find(event_key);
    if (line != stored_.log.end() && !line->session) return std::nullopt;
    return receive(unit, event_key, said);
  }
  Task<Dialogue> read(Context& context, std::int32_t history, std::int64_t) override {
    auto const line = find(context.event_key());
    if (line == stored_.log.end() || !line->session)
      throw Failure::permanent("the message's person or session is gone", "deleted_session");
    auto const& person = stored_.people.at(line->person);
    Dialogue dialogue{person.profile, person.session.value(), {}, replies_to(line->person)};
    for (auto each = stored_.log.begin(); each != line; ++each)
      if (each->session == line->session) dialogue.history.push_back({each->ours, each->text});
    auto const most = static_cast<std::size_t>(history);
    if (dialogue.history.size() > most)
      dialogue.history.erase(dialogue.history.begin(), dialogue.history.end() - static_cast<std::ptrdiff_t>(history));
    co_return dialogue;
  }
  std::int64_t count_recent_replies(UnitOfWork&, Uuid const& profile) override { return replies_to(who_is(profile)); }
  void opt_out(UnitOfWork& unit, sessions::Profile const& profile, Inbound const& said) override {
    suppress(unit, said);
    allow(profile, said.channel, false);
  }
  void opt_in(UnitOfWork&, sessions::Profile const& profile, Inbound const& said) override {
    for (auto const& key : said.subject_keys) stored_.suppressed.erase({channel_of(said.channel), key});
    allow(profile, said.channel, true);
  }
  void suppress(UnitOfWork&, Inbound const& said) override {
    for (auto const& key : said.subject_keys) stored_.suppressed.insert({channel_of(said.channel), key});
  }
  bool attempt(UnitOfWork&, std::function<void()> const& work) override {
    auto const before = stored_;
    try {
      work();
      return true;
    } catch (Failure const& failure) {
      if (failure.kind() != Failure::Kind::permanent) throw;
      stored_ = before;
      return false;
    }
  }
  Kept keep(UnitOfWork&, Dialogue const& dialogue, sessions::Channel, tools::MessagingTools const& tools) override {
    if (tools.patches().empty() && !tools.status()) return {dialogue.session};
    auto const found = stored_.people.find(who_is(dialogue.profile.id));
    if (found == stored_.people.end()) throw Failure::permanent("no such profile", "database");
    auto& session = open(found->second);
    for (auto const& patch : tools.patches()) session.context = patch;
    if (tools.status()) session.status = *tools.status();
    return {session, true, session.status == "closed"};
  }
  void request_notification(UnitOfWork& unit, NotificationRequested const& request) override {
    if (script_.refuses.contains(request.body)) throw Failure::permanent("the database refused the change", "database");
    unit.publish(request, to_string(request.profile_id));
    auto const who = who_is(request.profile_id);
    if (who.empty() || find(unit.last_key()) != stored_.log.end()) return;
    for (auto const& channel : request.channels)
      stored_.log.push_back({unit.last_key(), who, request.session_id, true, request.kind, channel, request.body});
  }
  std::vector<double> close_expired(UnitOfWork&, std::int32_t limit) override {
    auto const first = stored_.expired.begin();
    auto const end = first + std::min<std::ptrdiff_t>(limit, std::ssize(stored_.expired));
    std::vector<double> ages{first, end};
    stored_.expired.erase(first, end);
    return ages;
  }

 private:
  static std::string who_of(Inbound const& said) {
    auto const& sender = said.sender;
    return sender.phone_number.value_or(sender.whatsapp_user_id.value_or(sender.sms_sender.value_or("")));
  }
  static std::string channel_of(sessions::Channel channel) { return std::string{sessions::to_string(channel)}; }
  static sessions::Session& open(Dialogues::Person& person) {
    if (!person.session || person.session->status == "closed") {
      auto& session = person.session.emplace();
      session.id = random_uuid();
      session.profile_id = person.profile.id;
      session.context = "{}";
    }
    person.session->status = "active";
    return *person.session;
  }
  std::vector<Dialogues::Line>::iterator find(Uuid const& key) {
    return std::ranges::find(stored_.log, key, &Dialogues::Line::key);
  }
  std::string who_is(Uuid const& profile) const {
    for (auto const& [who, person] : stored_.people)
      if (person.profile.id == profile) return who;
    return {};  // deleted
  }
  std::int64_t replies_to(std::string const& who) const {
    return std::ranges::count_if(stored_.log, [&](auto const& line) { return line.ours && line.person == who; });
  }
  void allow(sessions::Profile const& profile, sessions::Channel channel, bool allowed) {
    auto& mine = stored_.people.at(who_is(profile.id)).profile;
    (channel == sessions::Channel::sms ? mine.allows_sms : mine.allows_whatsapp) = allowed;
  }

  Dialogues& stored_;
  Script const& script_;
};

}  // namespace omnibus::sms::test

/// Whom a record is about, for tools that look at records of every topic.
#pragma once

#include "kafka/cloud_event.hpp"
#include "subjects/subjects.hpp"

#include <string_view>

namespace omnibus {

/// Whom the record's event is about. Of an event that does not decode, or that this version does not know, whom the
/// record's key stands for; nobody if that is unknown. Of an event that names nobody: nobody.
Subjects subjects_of_record(RecordView const& record);

/// The same for an event by its parts. @param data JSON
Subjects subjects_of_event(std::string_view type, std::string_view data, std::string_view record_key);

/// The same for an owned record.
Subjects subjects_of_record(kafka::Record const& record);

}  // namespace omnibus

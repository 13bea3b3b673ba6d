/// Every event of this folder.
#pragma once

#include "events/agent_conversation.hpp"
#include "events/call.hpp"
#include "events/chat.hpp"
#include "events/consent.hpp"
#include "events/gdpr.hpp"
#include "events/inbound.hpp"
#include "events/llm.hpp"
#include "events/match.hpp"
#include "events/notification.hpp"
#include "events/outcome.hpp"
#include "events/people.hpp"
#include "events/report.hpp"
#include "events/tick.hpp"

namespace omnibus {

/// A list of event types, for code that is made for each of them.
template <class... Event>
struct EventTypes {};

/// An event that tenants may publish must be here: the gateway checks by this list.
using AllEvents =
    EventTypes<ChatMessageReceived, ChatReplyDelta, ChatReplyGenerated, ChatReplyFallback, ChatReplyFailed,
               ChatReplySuppressed, ChatConsentRecorded, LlmCallCompleted, LlmCallFailed, CallTerminated,
               SmsMessageReceived, WhatsappMessageReceived, DeliveryReceiptReceived, NotificationRequested,
               NotificationSent, NotificationFailed, NotificationSkipped, NotificationInDoubt, NotificationDelivered,
               NotificationRead, TickMidnight, TickReport, TickMonitor, TickSnooze, TickSessionsCleanup,
               TickPrunePipeline, TickPruneMessages, TickQa, TickKnowledge, TickPruneGdprAudit, TickTuneWeekly,
               PersonRecorded, MatchBatchRequested, MatchPairRequested, MatchManualRequested,
               MatchInsightsOverrideRequested, MatchMidnightRequested, MatchAnalyzed, MatchScheduled, MatchActivated,
               MatchCompleted, MatchCancelled, MatchInsightsOverridden, MatchAnalysisFailed, AgentConversationRequested,
               AgentTurnRequested, AgentTurnCompleted, AgentConversationCompleted, AgentConversationFailed,
               OutcomeAnalysisRequested, OutcomeScored, OutcomeFollowupRecommended, OutcomeCollaborationTracked,
               ReportRequested, ReportGenerated, ReportRated, GdprExportRequested, GdprDeletionRequested,
               GdprAuditRecorded, GdprAuditPruned, GdprLedgerRecorded>;

}  // namespace omnibus

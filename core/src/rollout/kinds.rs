//! The types of lines that are known to tell nothing about a thread's metadata.
//!
//! They are known only so that a new type shows up in the count of unknown ones.

/// Types of `response_item` payloads, and of bare items in the oldest files.
const RESPONSE_ITEMS: &[&str] = &[
    "compaction",
    "compaction_summary",
    "computer_call",
    "computer_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "function_call",
    "function_call_output",
    "ghost_snapshot",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "message",
    "other",
    "reasoning",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
];

/// Types of `event_msg` payloads.
const EVENTS: &[&str] = &[
    "agent_message",
    "agent_message_delta",
    "agent_reasoning",
    "agent_reasoning_delta",
    "agent_reasoning_raw_content",
    "agent_reasoning_section_break",
    "apply_patch_approval_request",
    "background_event",
    "collab_agent_interaction_begin",
    "collab_agent_interaction_end",
    "collab_agent_spawn_begin",
    "collab_agent_spawn_end",
    "collab_close_begin",
    "collab_close_end",
    "collab_waiting_begin",
    "collab_waiting_end",
    "context_compacted",
    "deprecation_notice",
    "dynamic_tool_call_request",
    "dynamic_tool_call_response",
    "elicitation_request",
    "entered_review_mode",
    "error",
    "exec_approval_request",
    "exec_command_begin",
    "exec_command_end",
    "exec_command_output_delta",
    "exited_review_mode",
    "image_generation_begin",
    "image_generation_end",
    "item_completed",
    "item_started",
    "mcp_startup_complete",
    "mcp_startup_update",
    "mcp_tool_call_begin",
    "mcp_tool_call_end",
    "model_reroute",
    "patch_apply_begin",
    "patch_apply_end",
    "plan_delta",
    "plan_update",
    "raw_response_item",
    "request_user_input",
    "session_configured",
    "shutdown_complete",
    "stream_error",
    "task_complete",
    "task_started",
    "terminal_interaction",
    "thread_goal_updated",
    "thread_rolled_back",
    "thread_settings_applied",
    "token_count",
    "turn_aborted",
    "turn_complete",
    "turn_diff",
    "turn_started",
    "undo_completed",
    "undo_started",
    "user_message",
    "view_image_tool_call",
    "warning",
    "web_search_begin",
    "web_search_end",
];

/// Whether this is a known type of `response_item`.
pub(super) fn is_response_item(kind: &str) -> bool {
    RESPONSE_ITEMS.binary_search(&kind).is_ok()
}

/// Whether this is a known type of `event_msg`.
pub(super) fn is_event(kind: &str) -> bool {
    EVENTS.binary_search(&kind).is_ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn lists_are_sorted_for_the_search() {
        assert!(super::RESPONSE_ITEMS.is_sorted());
        assert!(super::EVENTS.is_sorted());
    }
}

"""What a room is for: its default view, as a server 980 numbers them (VIEW_BBS and so on).  Values only."""

VIEW_BOARD, VIEW_MAILBOX, VIEW_CONTACTS, VIEW_CALENDAR, VIEW_TASKS, VIEW_NOTES = range(6)
VIEW_CALENDAR_BRIEF, VIEW_JOURNAL = 7, 8
VIEW_DRAFTS, VIEW_BLOG = 9, 10

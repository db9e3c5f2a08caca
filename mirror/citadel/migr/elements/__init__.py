"""What each kind of element of a MIGR export becomes: functions over what was told so far.  None knows another."""

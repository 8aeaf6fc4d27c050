-- Machines were made with limits that a reload of systemd takes away from them: each is told its limits once more.
UPDATE spaces SET limits = 'due';

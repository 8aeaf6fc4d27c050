//! Ansible itself, over one connection that is kept: with pipelining, where modules come by standard input, and
//! without, where they are copied.

use std::process::Command;

use spaces_tests::{Output, run};

use crate::Setting;

/// What people do: ask for facts, copy, template, run, as oneself and by `sudo`.
const PLAYBOOK: &str = "
- hosts: all
  gather_facts: true
  tasks:
    - copy: { src: big, dest: big, mode: '0640' }
    - template: { src: template.j2, dest: rendered }
    - command: id -un
      register: plain
    - command: id -un
      become: true
      register: sudo
    - copy: { content: 'of root', dest: /etc/of-root }
      become: true
    - shell: cat; echo $0
      args: { stdin: given }
      register: shell
    - fetch: { src: big, dest: fetched, flat: true }
    - file: { path: folder, state: directory }
    - assert:
        that:
          - plain.stdout == 'space'
          - sudo.stdout == 'root'
          - shell.stdout_lines == ['given', '/bin/sh']
          - ansible_facts.hostname == 'room'
";

fn play(setting: &Setting, settings: &[(&str, &str)]) -> Output {
    let mut command = Command::new("timeout");
    command.args(["-k", "5", "200", "ansible-playbook", "-i", "inventory", "playbook.yml"]);
    command.current_dir(&setting.folder).envs(settings.iter().copied());
    command.env("ANSIBLE_LOCAL_TEMP", setting.folder.join("temporary")).env("ANSIBLE_NOCOLOR", "1");
    command.env("ANSIBLE_HOME", setting.folder.join("home")).env("HOME", &setting.folder);
    command.env("ANSIBLE_SSH_CONTROL_PATH_DIR", setting.folder.join("cp")).env_remove("SSH_AUTH_SOCK");
    run(&mut command, b"")
}

#[test]
fn a_playbook_runs_with_and_without_pipelining() {
    let setting = Setting::new();
    let line = setting.person.ssh_line();
    // What follows `ssh`: options for each of the connection's uses.
    let options = line.strip_prefix("ssh -F none ").expect("ssh and its options").to_owned();
    // The login name is the Space's, so `~room` is nobody's home; and newer scp takes Ansible's quotes literally
    // unless it is told to be old, whoever serves it.
    let inventory = format!(
        "room ansible_host=127.0.0.1 ansible_user=room ansible_python_interpreter=/usr/bin/python3 \
         ansible_remote_tmp=/home/space/.ansible/tmp ansible_scp_extra_args=-O ansible_ssh_common_args='-F none {options}'\n"
    );
    std::fs::write(setting.folder.join("inventory"), inventory).expect("a file");
    std::fs::write(setting.folder.join("playbook.yml"), PLAYBOOK.trim_start()).expect("a file");
    std::fs::write(setting.folder.join("template.j2"), "of {{ ansible_facts.hostname }}\n").expect("a file");
    setting.shell("head -c 3000000 /dev/urandom > big").ok();
    for (pipelining, transfer) in [("True", "smart"), ("False", "sftp"), ("False", "scp"), ("False", "piped")]
    {
        let told =
            play(&setting, &[("ANSIBLE_PIPELINING", pipelining), ("ANSIBLE_SSH_TRANSFER_METHOD", transfer)]);
        let told = told.ok();
        assert!(told.contains("unreachable=0    failed=0"), "{told}");
        setting.shell("cmp big fetched; rm fetched").ok();
        assert_eq!(setting.inside("cat rendered /etc/of-root; stat -c ' %a' big"), "of room\nof root 640\n");
        setting.inside("sudo rm -r rendered /etc/of-root big folder");
    }
}

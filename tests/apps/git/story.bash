#!/bin/bash
# The life of a repository. Dates and names are fixed, so object names are comparable.
set -u
# shellcheck source=tests/apps/say.sh
. "$APPS/say.sh"
export LC_ALL=C TZ=UTC HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org
umask 022
clock=1600000000

# Commits what is in the tree.  commit MESSAGE
commit()
{
	clock=$((clock + 60))
	export GIT_AUTHOR_DATE="$clock +0000" GIT_COMMITTER_DATE="$clock +0000"
	git add -A && git commit -q -m "$1"
}

git config --global init.defaultBranch main
git config --global gc.auto 0
does init git init -q story
cd story || exit
for i in $(seq 200); do
	mkdir -p "dir$((i % 7))"
	seq "$i" $((i * 3)) >"dir$((i % 7))/file$i"
done
does first_commit commit first
git rev-parse HEAD
is clean "$(git status --porcelain)" ""
for i in $(seq 12); do
	echo "change $i" >>dir1/file1
	[ "$i" -lt 8 ] || echo broken >bug
	commit "change $i"
done
git log --format='%h %s' --shortstat
is log_counts "$(git rev-list --count HEAD)" 13
echo dirty >>dir2/file2
ln -s dir2 link
chmod +x dir3/file3
git status --porcelain
git diff | cksum
commit "modes and links"
is modes "$(git ls-tree HEAD dir3/file3 link | awk '{ print $1 }' | xargs)" "100755 120000"
git tag -a -m annotated v1

# --- branches
git checkout -q -b topic HEAD~3
for i in 1 2 3; do
	echo "topic $i" >>topic.txt
	commit "topic $i"
done
git checkout -q main
is checkout_restores "$(ls topic.txt 2>/dev/null; git symbolic-ref --short HEAD)" main
does merge git merge -q --no-edit topic
is merge_has_both "$(wc -l <topic.txt) $(git rev-list --count --merges HEAD)" "3 1"
git checkout -q -b left main
sed -i '5s/.*/left/' dir5/file5
commit left
git checkout -q -b right main
sed -i '5s/.*/right/' dir5/file5
commit right
fails conflict git merge -q left
is conflict_marks "$(grep -c '^[<=>]\{7\}' dir5/file5)" 3
git checkout -q --theirs dir5/file5
commit "resolved"
is resolved "$(sed -n 5p dir5/file5)" left
git checkout -q -b rebased main~2
echo r1 >r1 && commit r1
echo r2 >r2 && commit r2
does rebase git rebase -q main
is rebase_is_linear "$(git merge-base main rebased)" "$(git rev-parse main)"
git rev-parse 'HEAD^{tree}'
GIT_SEQUENCE_EDITOR='sed -i -e 2s/^pick/fixup/' git rebase -q -i main 2>/dev/null
is rebase_interactive "$(git rev-list --count main..HEAD)" 1
does cherry_pick git cherry-pick left
is cherry_picked "$(sed -n 5p dir5/file5)" left
does revert git revert --no-edit HEAD
git reset -q --hard main
is reset_hard "$(git status --porcelain | wc -l) $(ls r1 2>/dev/null)" "0 "
echo wip >wip && git add wip && git stash -q
is stash "$(ls wip 2>/dev/null; git stash pop -q; cat wip)" wip
git rm -q -f wip

# --- bisect
git checkout -q main
git bisect start HEAD v1~13 >/dev/null 2>&1
git bisect run sh -c '! test -e bug' >bisect.log 2>&1
is bisect "$(git log -1 --format=%s refs/bisect/bad)" "change 8"
git bisect reset >/dev/null 2>&1
rm bisect.log

# --- objects
does fsck git fsck --full --strict --no-dangling
git repack -q -a -d --window=20 --threads=4
is packed "$(find .git/objects -name '*.pack' | wc -l)" 1
does gc git gc -q --prune=now --aggressive
does verify_pack git verify-pack .git/objects/pack/*.idx
git count-objects -v | grep -E '^(count|in-pack|packs):'
cd ..
does clone git clone -q story copy
is clone_is_the_same "$(git -C copy rev-parse HEAD)" "$(git -C story rev-parse HEAD)"
does clone_no_hardlinks git clone -q --no-hardlinks --bare story bare.git
does clone_by_transport git clone -q "file://$PWD/story" fetched
is transport_is_the_same "$(git -C fetched log --format=%H | cksum)" "$(git -C story log --format=%H | cksum)"
does shallow_clone git clone -q --depth 2 "file://$PWD/story" shallow
cd copy || exit
git remote add bare ../bare.git
echo pushed >pushed && commit pushed
does push git push -q bare main
is pushed "$(git -C ../bare.git rev-parse main)" "$(git rev-parse main)"
cd ../fetched || exit
git remote add bare ../bare.git
does fetch git fetch -q bare
does pull git -c pull.rebase=false pull -q bare main
is pulled "$(cat pushed)" pushed
git archive --format=tar HEAD | tar -t | wc -l
git blame -s dir1/file1 | tail -n 5 | cksum
git format-patch -q -o ../patches HEAD~2 && git checkout -q HEAD~2 2>/dev/null
is am "$(git am -q ../patches/* && cat pushed)" pushed
printf '#!/bin/sh\necho hook ran >../hooked\n' >.git/hooks/post-commit
chmod +x .git/hooks/post-commit
echo h >h && commit hooked
is hook "$(cat ../hooked)" "hook ran"
does worktree git worktree add -q ../worktree v1
git -C ../worktree rev-parse HEAD
git grep -c topic | cksum

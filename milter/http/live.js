// SPDX-License-Identifier: BSD-2-Clause
// Renews what is shown, while somebody looks and does nothing with it.
"use strict";
(function () {
	var main = document.getElementById("main");
	var seconds = Number(main.dataset.live);

	function isBusy() {
		var selection = document.getSelection();
		return document.hidden || main.querySelector("details[open]") ||
			(selection && !selection.isCollapsed) ||
			main.contains(document.activeElement);
	}

	async function renew() {
		if (isBusy())
			return;
		var answer = await fetch(location.href, {cache: "no-store"});
		if (answer.status === 401)
			location.reload();
		if (!answer.ok)
			return;
		var page = new DOMParser().parseFromString(
			await answer.text(), "text/html");
		var fresh = page.getElementById("main");
		if (fresh && !isBusy()) {
			main.replaceWith(document.adoptNode(fresh));
			main = fresh;
		}
	}

	setInterval(function () {
		renew().catch(function () {});
	}, seconds * 1000);
})();
